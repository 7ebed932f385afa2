"""Scripts and their immutable versions: drafts, review, activation, rollback (A01, A07, A09, A10)."""
