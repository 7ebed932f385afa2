"""The slice's statements."""

from quilate.kit.database.queries import load_queries

QUERIES = load_queries("quilate.runs.durable")
CLAIMS = load_queries("quilate.runs.durable", "claims.sql")
"""What workers take, hold and give back."""
