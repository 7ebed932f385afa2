"""Tokens of machines: made for a service account or for a trust, found again by their hash."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from quilate.accounts.credentials import Secret, new_api_token
from quilate.accounts.model import Actor, ActorKind, Permission, Principal
from quilate.accounts.records import known_scopes
from quilate.accounts.statements import Statements
from quilate.kit.database.database import Connection
from quilate.kit.ids import uuid7

STATEMENTS = Statements("quilate.accounts.machines")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPlan:
    """A token before it is stored. It belongs to a service account or to a trust."""

    id: UUID
    secret: Secret = field(repr=False)
    project_id: UUID
    scopes: frozenset[Permission]
    lifetime: timedelta
    name: str = ""
    service_account_id: UUID | None = None
    trust_id: UUID | None = None


def plan_token(  # noqa: PLR0913 - the parts of a token
    *,
    project_id: UUID,
    scopes: frozenset[Permission],
    lifetime: timedelta,
    name: str = "",
    service_account_id: UUID | None = None,
    trust_id: UUID | None = None,
) -> TokenPlan:
    """Return a token that is not stored yet."""
    return TokenPlan(
        id=uuid7(),
        secret=new_api_token(),
        project_id=project_id,
        scopes=scopes,
        lifetime=lifetime,
        name=name,
        service_account_id=service_account_id,
        trust_id=trust_id,
    )


async def store_token(connection: Connection, plan: TokenPlan) -> bool:
    """Store a token within the caller's transaction; tell whether it was new."""
    row = await STATEMENTS.one(
        connection,
        "insert_machine_token",
        id=plan.id,
        project_id=plan.project_id,
        service_account_id=plan.service_account_id,
        trust_id=plan.trust_id,
        name=plan.name,
        prefix=plan.secret.prefix,
        token_hash=plan.secret.hash,
        scopes=sorted(scope.value for scope in plan.scopes),
        lifetime=plan.lifetime,
    )
    return row is not None


async def machine_principal(connection: Connection, token_hash: bytes) -> tuple[Principal | None, float]:
    """Return the machine whose token has this hash, and for how many seconds the token is good."""
    row = await STATEMENTS.one(connection, "principal_of_machine_token", token_hash=token_hash)
    if row is None:
        return None, 0.0
    if row["first_use_today"]:
        await STATEMENTS.execute(connection, "note_use_of_machine_token", id=row["token_id"])
    if row["service_account_id"] is not None:
        actor = Actor(kind=ActorKind.SERVICE, id=str(row["service_account_id"]))
    else:
        actor = Actor(kind=ActorKind.WORKLOAD, id=str(row["trust_id"]))
    scopes = known_scopes(row["scopes"])
    principal = Principal(
        actor=actor,
        user_id=None,
        grants={row["project_id"]: scopes},
        scopes=scopes,
        project_scope=row["project_id"],
    )
    return principal, float(row["remaining_seconds"])
