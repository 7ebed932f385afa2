"""Passwords: which are accepted, and how they are stored.

Source: NIST SP 800-63B-4 (length over composition rules, a list of common ones), OWASP Password Storage Cheat Sheet
(Argon2id with 19 MiB, two passes, one lane).
"""

import asyncio
import os
import secrets
import unicodedata
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from quilate.accounts.common_passwords import COMMON_PASSWORDS
from quilate.accounts.errors import overloaded

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Result = TypeVar("Result")

SHORTEST = 12
LONGEST = 256
_LEAST_DIFFERENT = 5
_SHORTEST_LOCAL_PART = 4

_MEMORY_KIB = 19 * 1024
_PASSES = 2
_LANES = 1
_MOST_WAITING = 128


class PasswordFault(StrEnum):
    """Why a password is not accepted, as the rest of a sentence."""

    TOO_SHORT = f"has fewer than {SHORTEST} characters"
    TOO_LONG = f"has more than {LONGEST} characters"
    REPETITIVE = "repeats a few characters"
    COMMON = "is one of the most common ones"
    EMAIL = "is made of the e-mail address"


def fault_of_password(password: str, *, email: str) -> PasswordFault | None:
    """Return why a password is not accepted, or ``None``."""
    text = _normal(password)
    lowered = text.casefold()
    local_part = email.partition("@")[0].casefold()
    if len(text) < SHORTEST:
        return PasswordFault.TOO_SHORT
    if len(text) > LONGEST:
        return PasswordFault.TOO_LONG
    if len(set(lowered)) < _LEAST_DIFFERENT:
        return PasswordFault.REPETITIVE
    if lowered in COMMON_PASSWORDS or _core(lowered) in COMMON_PASSWORDS:
        return PasswordFault.COMMON
    if email.casefold() in lowered or (len(local_part) >= _SHORTEST_LOCAL_PART and _core(lowered) == _core(local_part)):
        return PasswordFault.EMAIL
    return None


def _normal(password: str) -> str:
    """Return the one form of a password that may be typed in several (composed or not)."""
    return unicodedata.normalize("NFC", password)


def _core(text: str) -> str:
    """Return a text without the digits and signs that people put at the ends of a word."""
    return text.strip("0123456789!@#$%&*.-_+?")


class Passwords:
    """Hashes and verifies in threads, a few at a time, so that neither loop nor memory is exhausted by logins.

    Attributes:
        verifications: How many were verified so far.
    """

    def __init__(self, *, at_once: int | None = None) -> None:
        self.verifications = 0
        self._places = asyncio.Semaphore(at_once or max(2, (os.cpu_count() or 1)))
        self._waiting = 0
        self._hasher: PasswordHasher | None = None
        self._of_nobody = ""

    async def hash(self, password: str) -> str:
        """Return the encoded Argon2id hash.

        Raises:
            Problem: 503, too many wait.
        """
        return await self._in_thread(self._hash, password)

    async def verify(self, stored: str | None, password: str) -> bool:
        """Tell whether a password is the stored one; the same work is done where nothing is stored.

        Raises:
            Problem: 503, too many wait.
        """
        return await self._in_thread(self._verify, stored, password)

    def is_outdated(self, stored: str) -> bool:
        """Tell whether a hash was made with other parameters than today's."""
        return self._argon2().check_needs_rehash(stored)

    async def _in_thread(self, work: Callable[..., Result], *arguments: str | None) -> Result:
        if self._waiting >= _MOST_WAITING:
            raise overloaded()
        self._waiting += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _hash(self, password: str) -> str:
        return self._argon2().hash(_normal(password))

    def _verify(self, stored: str | None, password: str) -> bool:
        from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - only the service loads it

        hasher = self._argon2()
        self.verifications += 1
        try:
            right = hasher.verify(stored or self._of_nobody, _normal(password))
        except (VerificationError, InvalidHashError):
            return False
        return right and stored is not None

    def _argon2(self) -> "PasswordHasher":
        if self._hasher is None:
            from argon2 import PasswordHasher  # noqa: PLC0415 - only the service loads it

            hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)
            # Made before the first verification of anybody, known or not: neither is slower than the other.
            self._of_nobody = hasher.hash(secrets.token_urlsafe(32))
            self._hasher = hasher
        return self._hasher
