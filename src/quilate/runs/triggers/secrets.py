"""The places that the slice's secrets are sealed for."""

from uuid import UUID


def hook_context(hook_id: UUID) -> str:
    """Return the place that a hook's secrets are sealed for."""
    return f"inbound_hooks:{hook_id}"


def poll_context(poll_id: UUID) -> str:
    """Return the place that a registry's token is sealed for."""
    return f"registry_polls:{poll_id}"
