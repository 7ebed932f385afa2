"""Connectors that tell people."""
