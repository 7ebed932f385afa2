"""Service accounts and the tokens of machines."""
