"""What slices ask of whoever keeps their secrets, and a keeper whose key is looked for only when it is needed."""

from collections.abc import Callable
from typing import Protocol


class Secrets(Protocol):
    """Seals texts for the time that they lie in the database; ``quilate.kit.secrets.box.SecretBox`` does."""

    def seal(self, plain: str, context: str) -> bytes:
        """Return a text sealed for one place."""
        ...

    def open(self, sealed: bytes, context: str) -> str:
        """Return the text that was sealed for this place."""
        ...

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that only whoever has the key can make."""
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

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes that only whoever has the key can make."""
        return self._box().derived(purpose)

    def _box(self) -> Secrets:
        if self._secrets is None:
            self._secrets = self._opened()
        return self._secrets
