"""The statements of health and metrics."""

from quilate.kit.database.queries import load_queries

QUERIES = load_queries("quilate.ops", "gauges.sql")
