"""Waivers as a workflow: requested by one person, approved by another."""
