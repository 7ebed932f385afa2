"""Isolated child processes: limits, and an end for every descendant."""
