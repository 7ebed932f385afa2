"""Runs that begin by the clock: cron expressions with a time zone, each firing exactly once."""
