"""Quilate: everything a team ships passes one blueprint and leaves one signed verdict."""

__version__ = "0.1.0"
