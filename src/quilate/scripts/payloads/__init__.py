"""Inputs and outputs of executions: where they come from, where they go, who may see them (A11, A18)."""
