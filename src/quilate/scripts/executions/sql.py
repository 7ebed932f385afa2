"""The slice's statements."""

from quilate.kit.database.queries import load_queries

QUERIES = load_queries("quilate.scripts.executions")
QUOTAS = load_queries("quilate.scripts.executions", "quotas.sql")
"""What projects may use and have in use."""
