"""Version numbers by Semantic Versioning 2.0.0 (https://semver.org): reading, order, what follows."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from quilate.domain.errors import ConfigurationError

LONGEST_SEMVER = 100
SEMVER_PATTERN = (
    r"^(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$"
)
"""The standard's own pattern, its three numbers limited to nine digits."""

_FORM = re.compile(SEMVER_PATTERN, re.ASCII)
_RELEASE = ((1,),)
"""Precedence of what is no pre-release: above every pre-release of the same numbers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Semver:
    """A version number; ``prerelease`` and ``build`` without their signs, empty where there are none."""

    major: int
    minor: int
    patch: int
    prerelease: str = ""
    build: str = ""

    @classmethod
    def parse(cls, text: str) -> "Semver":
        """Return the number that a text holds.

        Raises:
            ConfigurationError: It is none.
        """
        match = _FORM.fullmatch(text) if len(text) <= LONGEST_SEMVER else None
        if match is None:
            raise ConfigurationError(
                f"{text[:LONGEST_SEMVER]!r} is no semantic version",
                next_step="write MAJOR.MINOR.PATCH without leading zeros, for example 1.2.0 or 2.0.0-rc.1",
            )
        return cls(
            major=int(match[1]),
            minor=int(match[2]),
            patch=int(match[3]),
            prerelease=match[4] or "",
            build=match[5] or "",
        )

    @property
    def core(self) -> str:
        """The text without build metadata: what tells versions apart."""
        numbers = f"{self.major}.{self.minor}.{self.patch}"
        return f"{numbers}-{self.prerelease}" if self.prerelease else numbers

    @property
    def precedence(self) -> tuple[object, ...]:
        """What versions are sorted by: numbers, then pre-release identifiers, numeric ones below the others."""
        parts: tuple[tuple[object, ...], ...] = _RELEASE
        if self.prerelease:
            parts = tuple((0, *_identifier(part)) for part in self.prerelease.split("."))
        return (self.major, self.minor, self.patch, parts)

    def __str__(self) -> str:
        return f"{self.core}+{self.build}" if self.build else self.core

    def following_patch(self) -> "Semver":
        """Return the next number without a pre-release: of ``1.2.0-rc.1`` it is ``1.2.0``."""
        patch = self.patch if self.prerelease else self.patch + 1
        return Semver(major=self.major, minor=self.minor, patch=patch)

    def following_breaking(self) -> "Semver":
        """Return the next number that may break with this one."""
        if self.major == 0:
            return Semver(major=0, minor=self.minor + 1, patch=0)
        return Semver(major=self.major + 1, minor=0, patch=0)

    def may_break(self, earlier: "Semver") -> bool:
        """Tell whether this number announces a break with an earlier one (0.x does so by its minor number)."""
        if self.major == 0:
            return earlier.major == 0 and self.minor > earlier.minor
        return self.major > earlier.major


FIRST = Semver(major=1, minor=0, patch=0)


def following(known: Iterable[Semver]) -> Semver:
    """Return the patch after the highest of these, or ``1.0.0`` after none."""
    highest = max(known, key=lambda each: each.precedence, default=None)
    return FIRST if highest is None else highest.following_patch()


def _identifier(part: str) -> tuple[object, ...]:
    return (0, int(part), "") if part.isdigit() else (1, 0, part)
