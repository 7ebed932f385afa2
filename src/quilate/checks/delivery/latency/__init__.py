"""Measuring how long a service takes to answer."""
