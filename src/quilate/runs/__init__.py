"""Runs: from a plan to a decision. The state machine is pure; the local runner drives it in memory."""
