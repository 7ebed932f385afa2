"""Waivers as records of the service: requested by one person, approved or rejected by another."""
