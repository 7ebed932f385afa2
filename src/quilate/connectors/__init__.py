"""Adapters to the tools that teams already use: one file each, one contract suite for each kind."""
