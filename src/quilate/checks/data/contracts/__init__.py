"""Data contracts in the shape of the Open Data Contract Standard: reading them and judging a table by them."""
