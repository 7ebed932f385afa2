"""Runs: from a plan to a decision."""
