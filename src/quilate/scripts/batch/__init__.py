"""Modes for data that is large: chunks, groups, columns (A21)."""
