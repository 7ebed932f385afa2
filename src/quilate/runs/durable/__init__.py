"""The durable runner: runs on PostgreSQL that survive any process."""
