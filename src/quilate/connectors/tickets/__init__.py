"""Connectors to ticket systems."""
