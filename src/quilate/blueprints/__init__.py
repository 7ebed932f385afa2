"""Blueprints and project files: parse, validate, compare, plan."""
