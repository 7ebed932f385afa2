"""Service accounts and the tokens of machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from quilate.accounts.machines.grants import Grant
from quilate.accounts.model import Permission, Role
from quilate.accounts.records import known_scopes


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceAccount:
    """Something that works in one project and is no person."""

    id: UUID
    project_id: UUID
    name: str
    grant: Grant
    enabled: bool
    created_by: str
    created_at: datetime
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineToken:
    """A token of a service account as it may be shown."""

    id: UUID
    name: str
    prefix: str
    scopes: frozenset[Permission]
    created_at: datetime
    expires_at: datetime
    last_used_on: date | None
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewMachineToken:
    """A token in the one moment in which its secret is known."""

    token: MachineToken
    secret: str = field(repr=False)


def grant_from(row: Mapping[str, Any]) -> Grant:
    """Return the grant of a row; a scope that this version no longer knows grants nothing."""
    return Grant(role=Role(row["role"]) if row["role"] else None, scopes=known_scopes(row["scopes"]))


def service_account_from(row: Mapping[str, Any]) -> ServiceAccount:
    """Return the service account of a row."""
    values = {name: row[name] for name in ServiceAccount.__dataclass_fields__ if name != "grant"}
    return ServiceAccount(**values, grant=grant_from(row))


def machine_token_from(row: Mapping[str, Any]) -> MachineToken:
    """Return the token of a row."""
    values = {name: row[name] for name in MachineToken.__dataclass_fields__}
    return MachineToken(**{**values, "scopes": known_scopes(row["scopes"])})
