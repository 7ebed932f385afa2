"""Tools without product words: canonical JSON, isolated child processes, clock."""
