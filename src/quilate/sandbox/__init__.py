"""Runs JavaScript that nobody trusts: isolated processes, hard limits, a class for each failure (A06, A08)."""
