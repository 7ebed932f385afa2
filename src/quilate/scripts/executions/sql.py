"""The slice's statements."""

from quilate.kit.database.queries import load_queries

QUERIES = load_queries("quilate.scripts.executions")
