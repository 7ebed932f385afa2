"""The read side as GraphQL."""
