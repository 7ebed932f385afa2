"""Metrics over predictions and the intervals around them."""
