"""Executions: taken in, queued, run, kept (A03, A11 to A16)."""
