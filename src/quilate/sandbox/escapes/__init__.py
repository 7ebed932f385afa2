"""Programs that try to break out or to use up the host, and what must become of each (A06)."""
