"""Refuses, with rule, line and column, what a script must not hold (A07)."""
