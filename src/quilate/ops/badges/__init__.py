"""Status badges: the last verdict of a branch as a small picture for pages that cannot log in."""
