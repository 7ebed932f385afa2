"""Connectors to model registries."""
