"""The checks: one file per check type, one registry line, one same-named test."""
