"""Which statements of an issuer a project takes in place of a secret."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any
from uuid import UUID

from quilate.accounts.machines.grants import Grant
from quilate.accounts.machines.model import grant_from

LONGEST_LIFETIME = 3600
DEFAULT_LIFETIME = 900
MOST_BINDINGS = 20
LONGEST_VALUE = 1000


class Provider(StrEnum):
    """Whose statements they are: it decides which claims say what ran."""

    GITHUB = "github"
    GITLAB = "gitlab"
    OTHER = "other"


class Match(StrEnum):
    """How a claim has to agree."""

    EXACT = "exact"
    GLOB = "glob"


DEFAULT_ISSUERS: Mapping[Provider, str] = MappingProxyType(
    {
        Provider.GITHUB: "https://token.actions.githubusercontent.com",
        Provider.GITLAB: "https://gitlab.com",
    }
)

IDENTIFYING: Mapping[Provider, frozenset[str]] = MappingProxyType(
    {
        Provider.GITHUB: frozenset({"repository", "repository_id", "sub"}),
        Provider.GITLAB: frozenset({"project_path", "project_id", "sub"}),
        Provider.OTHER: frozenset({"sub"}),
    }
)
"""Claims of which a trust has to bind one: without, everybody on the forge could come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What one claim has to say."""

    claim: str
    value: str
    match: Match = Match.EXACT


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustWish:
    """A trust as an administrator asks for it.

    Attributes:
        name: For people.
        provider: Whose statements.
        issuer: Exactly as the tokens say it.
        audience: One of the token's audiences.
        bindings: All of them have to hold.
        pull_requests: Take statements of pull and merge requests too, whose code nobody has approved.
        grant: What the tokens may do.
        lifetime_seconds: Of the tokens, an hour at most.
    """

    name: str
    provider: Provider
    issuer: str
    audience: str
    bindings: tuple[Binding, ...]
    pull_requests: bool
    grant: Grant
    lifetime_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Trust:
    """A trust of a project."""

    id: UUID
    project_id: UUID
    wish: TrustWish
    created_by: str
    created_at: datetime
    last_used_on: date | None


def trust_from(row: Mapping[str, Any]) -> Trust:
    """Return the trust of a row."""
    wish = TrustWish(
        name=row["name"],
        provider=Provider(row["provider"]),
        issuer=row["issuer"],
        audience=row["audience"],
        bindings=tuple(
            Binding(claim=each["claim"], value=each["value"], match=Match(each["match"])) for each in row["bindings"]
        ),
        pull_requests=row["pull_requests"],
        grant=grant_from(row),
        lifetime_seconds=row["lifetime_seconds"],
    )
    kept = {name: row[name] for name in Trust.__dataclass_fields__ if name != "wish"}
    return Trust(**kept, wish=wish)
