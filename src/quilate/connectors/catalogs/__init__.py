"""Connectors to data catalogues."""
