"""Small servers that answer as forges document it, and refuse requests that are not of the published shape."""
