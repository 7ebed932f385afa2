"""An issuer's statement about a CI job is exchanged for a short-lived token: no secret lies anywhere in between.

Source: RFC 8693 (token exchange), whose member names the request and the answer have.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from quilate.accounts.errors import forbidden, invalid, unauthenticated
from quilate.accounts.machines.tokens import TokenPlan, plan_token, store_token
from quilate.accounts.model import Actor, ActorKind, Permission
from quilate.accounts.oidc.errors import IssuerFaultError, RefusedTokenError, issuer_is_away
from quilate.accounts.oidc.issuers import Issuers
from quilate.accounts.oidc.verification import audiences_of, issuer_of, verified_claims
from quilate.accounts.trusts.matching import claim_text, matches
from quilate.accounts.trusts.model import Trust, trust_from
from quilate.accounts.trusts.service import STATEMENTS
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.web.problems import Problem

_LATEST = datetime(9999, 1, 1, tzinfo=UTC)
_LONGEST_SHOWN = 200
_SHOWN = ("repository", "project_path", "ref", "environment", "event_name", "pipeline_source", "workflow_ref")
_RECORDED = ("repository_id", "project_id", "run_id", "run_attempt", "pipeline_id", "job_id", "sha")
"""What the audit log keeps: numbers, by which the job is found; names of repositories and branches may name people."""
_LONGEST_JTI = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchanged:
    """What a statement was exchanged for; ``token`` is secret."""

    token: str = field(repr=False)
    expires_in: int
    scopes: frozenset[Permission]
    trust_id: UUID


class TokenExchange:
    """Exchanges statements; one for each process."""

    def __init__(self, database: Database, issuers: Issuers) -> None:
        self._database = database
        self._issuers = issuers

    async def exchange(self, *, slug: str, subject_token: str) -> Exchanged:
        """Return a token for a statement that a trust of the project takes.

        A project that does not exist answers like one whose trusts do not take the statement.

        Raises:
            Problem: 401 the statement is not valid or was used, 403 no trust of the project takes it, 422 it is no
                statement, 503 its issuer cannot be asked.
        """
        claims = await self._verified(slug, subject_token)
        async with self._database.connection() as connection:
            rows = await STATEMENTS.many(connection, "trusts_of_issuer", slug=slug, issuer=claims["iss"])
        trust = next((each for each in map(trust_from, rows) if matches(each, claims)), None)
        if trust is None:
            raise _no_match(slug, claims)
        wish = trust.wish
        plan = plan_token(
            project_id=trust.project_id,
            scopes=wish.grant.scopes,
            lifetime=timedelta(seconds=wish.lifetime_seconds),
            trust_id=trust.id,
        )
        used = _key_of(claims), min(datetime.fromtimestamp(_seconds(claims["exp"]), UTC), _LATEST)

        async def work(connection: Connection) -> str:
            return await _take(connection, trust, claims, plan, used)

        outcome = await self._database.run(work)
        if outcome == "gone":
            raise _no_match(slug, claims)
        if outcome == "used":
            raise unauthenticated(
                "the token was exchanged before",
                next_step="ask the CI system for a new one; each counts once, so keep what it was exchanged for",
            )
        return Exchanged(
            token=plan.secret.text,
            expires_in=wish.lifetime_seconds,
            scopes=wish.grant.scopes,
            trust_id=trust.id,
        )

    async def _verified(self, slug: str, subject_token: str) -> Mapping[str, Any]:
        try:
            issuer = issuer_of(subject_token)
        except RefusedTokenError as refusal:
            raise invalid(f"the subject token cannot be taken: {refusal.reason}") from refusal
        # Only issuers that somebody here trusts are ever asked: a token must not make us call any address.
        async with self._database.connection() as connection:
            row = await STATEMENTS.one(connection, "is_trusted_issuer", issuer=issuer.replace("\0", ""))
        if row is None or not row["trusted"]:
            raise _no_match(slug, {})
        try:
            claims = await verified_claims(self._issuers, subject_token, issuer=issuer)
        except RefusedTokenError as refusal:
            raise unauthenticated(
                f"the subject token does not count: {refusal.reason}",
                next_step="ask the CI system for a new token, and send it as it is",
            ) from refusal
        except IssuerFaultError as fault:
            raise issuer_is_away(fault) from fault
        identifier = claims.get("jti")
        if not isinstance(identifier, str) or not 0 < len(identifier) <= _LONGEST_JTI:
            raise unauthenticated("the subject token has no jti, so that it could be used twice")
        return claims


async def _take(
    connection: Connection, trust: Trust, claims: Mapping[str, Any], plan: TokenPlan, used: tuple[bytes, datetime]
) -> str:
    """Use a statement up and store its token within the caller's transaction; tell what became of it."""
    if await STATEMENTS.one(connection, "lock_trust", id=trust.id) is None:
        return "gone"
    fresh = await STATEMENTS.one(connection, "use_subject_token", key=used[0], expires_at=used[1])
    if fresh is None:
        # Where the transaction is repeated after a COMMIT that had counted, the token is there already.
        known = await STATEMENTS.one(connection, "is_token", id=plan.id)
        return "done" if known is not None else "used"
    await store_token(connection, plan)
    await STATEMENTS.execute(connection, "note_use_of_trust", id=trust.id)
    said = {name: text for name in _RECORDED if (text := claim_text(claims.get(name))) is not None}
    entry = AuditEntry(
        action="trust.token-exchanged",
        actor=str(Actor(kind=ActorKind.WORKLOAD, id=str(trust.id))),
        subject=f"token:{plan.id}",
        project_id=trust.project_id,
        details={"issuer": trust.wish.issuer, "claims": said, "seconds": trust.wish.lifetime_seconds},
    )
    await append_entries(connection, [entry])
    return "done"


def _key_of(claims: Mapping[str, Any]) -> bytes:
    """Return what stands for a statement: issuers choose ``jti`` each for themselves."""
    return hashlib.sha256(f"{claims['iss']}\0{claims['jti']}".encode("utf-8", "surrogatepass")).digest()


def _seconds(value: Any) -> float:
    return min(float(value), _LATEST.timestamp())


def _no_match(slug: str, claims: Mapping[str, Any]) -> Problem:
    """Return the answer where nothing takes the statement; only its own claims are shown, never what a trust asks."""
    said = [f"aud={', '.join(sorted(audiences_of(claims)))}"] if claims else []
    said += [f"{name}={text}" for name in _SHOWN if (text := claim_text(claims.get(name)))]
    shown = "; ".join(each[:_LONGEST_SHOWN] for each in said)
    hint = f"the token says: {shown}; " if shown else ""
    return forbidden(
        f"no trust of a project {slug!r} takes this token",
        next_step=f"{hint}have an administrator of the project compare it with GET /api/v1/projects/{slug}/trusts",
    )
