"""Hosted pre-processing scripts: versions, executions, modes for large data (A01 to A21)."""
