"""Requests to addresses that users name: filtered, bounded, without surprises."""
