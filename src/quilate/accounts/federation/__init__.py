"""Login of people by identity providers (OpenID Connect)."""
