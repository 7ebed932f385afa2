"""Checks of the code family."""
