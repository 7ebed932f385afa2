"""Signed decisions: keys, DSSE envelopes, in-toto statements, and the verifier that accepts or refuses from them."""
