"""What a table holds: statistics of its columns, and personal data in them."""
