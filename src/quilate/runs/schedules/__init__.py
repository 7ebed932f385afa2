"""Schedules: runs by the clock."""
