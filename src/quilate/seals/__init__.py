"""Signed decisions: DSSE envelopes, SLSA verification summaries, the verifier."""
