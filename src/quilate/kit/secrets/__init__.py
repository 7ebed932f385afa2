"""Secrets of projects and connections, encrypted at rest."""
