"""A test kit for plugins: ``checks``, ``connectors``, ``blueprints``; one module a kind, each imports what it needs."""
