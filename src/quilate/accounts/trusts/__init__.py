"""Trust in the issuers of CI systems: their statements are exchanged for short-lived tokens."""
