"""The service: settings, processes, HTTP application."""
