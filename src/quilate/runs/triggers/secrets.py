"""What the slice asks of whoever keeps its secrets; ``quilate.kit.secrets`` does."""

from collections.abc import Callable
from typing import Protocol
from uuid import UUID


class Secrets(Protocol):
    """Seals texts for the time that they lie in the database."""

    def seal(self, plain: str, context: str) -> bytes:
        """Return a text sealed for one place."""
        ...

    def open(self, sealed: bytes, context: str) -> str:
        """Return the text that was sealed for this place."""
        ...


class OpenedWhenUsed:
    """Secrets whose key is looked for when the first one is sealed or opened.

    Args:
        opened: Looks for it.
    """

    def __init__(self, opened: Callable[[], Secrets]) -> None:
        self._opened = opened
        self._secrets: Secrets | None = None

    def seal(self, plain: str, context: str) -> bytes:
        """Return a text sealed for one place."""
        return self._box().seal(plain, context)

    def open(self, sealed: bytes, context: str) -> str:
        """Return the text that was sealed for this place."""
        return self._box().open(sealed, context)

    def _box(self) -> Secrets:
        if self._secrets is None:
            self._secrets = self._opened()
        return self._secrets


def hook_context(hook_id: UUID) -> str:
    """Return the place that a hook's secrets are sealed for."""
    return f"inbound_hooks:{hook_id}"


def poll_context(poll_id: UUID) -> str:
    """Return the place that a registry's token is sealed for."""
    return f"registry_polls:{poll_id}"
