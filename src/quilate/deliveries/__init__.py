"""Outgoing events to the outside: who receives what, at least once, with dead letters."""
