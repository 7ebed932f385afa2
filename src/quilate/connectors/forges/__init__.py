"""Connectors to git forges."""
