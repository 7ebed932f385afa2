"""The same durable runs on other products, each in an environment of its own."""
