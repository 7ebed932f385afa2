"""All that plugins may import."""
