"""Checks of the crypto family."""
