"""Checks of the delivery family."""
