"""Backups that an administrator asks for over the API: the database, the logs, and an end for old ones (A17)."""
