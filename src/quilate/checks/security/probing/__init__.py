"""Probes of running services: TLS handshakes, HTTP answers, and the reports of Schemathesis."""
