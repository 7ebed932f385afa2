"""Blueprints of a project in the service: draft, published, compared, replayed."""
