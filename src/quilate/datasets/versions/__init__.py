"""Versions of datasets and models on the wire."""
