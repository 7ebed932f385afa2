"""Wiring: the command line."""
