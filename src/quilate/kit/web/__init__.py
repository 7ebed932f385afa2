"""What every HTTP endpoint shares: problem details, idempotency, paging, conditions, limits, event streams."""
