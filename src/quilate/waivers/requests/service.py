"""Who may ask for a waiver, who may decide on it, and what it must say."""

from collections.abc import Sequence
from uuid import UUID

from quilate.accounts.four_eyes import refusal
from quilate.accounts.model import SYSTEM, Permission, ProjectAccess
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.web.problems import Problem
from quilate.outbox.events import OutgoingEvent, append_events
from quilate.waivers.fields import RULE_FORM, rule_fault, shown, text_fault
from quilate.waivers.requests import store
from quilate.waivers.requests.model import OPEN, WaiverRequest, WaiverState, WaiverWish

REMINDED_DAYS = (14, 3, 1)
"""So many days before its end a waiver is told of again, that nobody is surprised by a finding that comes back."""

EXPIRED_AT_ONCE = 500
"""Waivers that one transaction ends at most."""


class WaiverService:
    """Waivers from request to end."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def request(
        self, access: ProjectAccess, wish: WaiverWish, *, request_id: UUID | None = None
    ) -> WaiverRequest:
        """Ask for a waiver; whoever asks owns it.

        Args:
            access: Who asks.
            wish: What for.
            request_id: Names the request for good, so that asking again gives the same one.

        Raises:
            Problem: 422, what is asked for is incomplete or lasts longer than a year.
        """
        _require_clear(wish)
        request_id = request_id or uuid7()

        async def work(connection: Connection) -> WaiverRequest:
            first, last = await store.possible_days(connection)
            if not first <= wish.until <= last:
                raise _invalid(
                    f"until {wish.until.isoformat()} is not between today and a year from now",
                    f"a day from {first.isoformat()} to {last.isoformat()}",
                )
            owner = access.principal.person
            if await store.insert_request(connection, access.project.id, request_id, wish, owner):
                await _tell(connection, str(access.actor), await _found(connection, access, request_id), "requested")
            return await _found(connection, access, request_id)

        return await self.database.run(work)

    async def get(self, access: ProjectAccess, request_id: UUID) -> WaiverRequest:
        """Return a waiver.

        Raises:
            Problem: 404, the project has none of that id.
        """
        async with self.database.connection() as connection:
            return await _found(connection, access, request_id)

    async def listed(
        self,
        access: ProjectAccess,
        *,
        state: WaiverState | None,
        rule: str | None,
        before: UUID | None,
        limit: int,
    ) -> Sequence[WaiverRequest]:
        """Return up to ``limit`` waivers, the newest first, from before an id on."""
        async with self.database.connection() as connection:
            return await store.list_requests(
                connection, access.project.id, state=state, rule=rule, before=before, limit=limit
            )

    async def approve(self, access: ProjectAccess, request_id: UUID, comment: str) -> WaiverRequest:
        """Let a waiver count.

        Raises:
            Problem: 404 without one, 403 for its owner, 409 where it is no open request.
        """
        return await self._decide(access, request_id, WaiverState.APPROVED, comment)

    async def reject(self, access: ProjectAccess, request_id: UUID, comment: str) -> WaiverRequest:
        """Refuse a waiver.

        Raises:
            Problem: 404 without one, 403 for its owner, 409 where it is no open request.
        """
        return await self._decide(access, request_id, WaiverState.REJECTED, comment)

    async def _decide(self, access: ProjectAccess, request_id: UUID, state: WaiverState, comment: str) -> WaiverRequest:
        person = access.principal.person

        async def work(connection: Connection) -> WaiverRequest:
            request = await _found(connection, access, request_id, lock=True)
            if request.state is state and request.decided_by == person:
                return request  # The same answer given twice counts once.
            refused = refusal(
                access,
                request.owner,
                Permission.WAIVER_APPROVE,
                own="who asked for a waiver cannot decide on it",
                or_else=", or revoke it",
                grants=state is WaiverState.APPROVED,
            )
            if refused is not None:
                raise refused
            if request.current_state is not WaiverState.REQUESTED:
                raise _conflict(request, "only an open request can be approved or rejected")
            decided = await store.decide(connection, request, state, person, comment)
            await _tell(connection, str(access.actor), decided, state.value)
            return decided

        return await self.database.run(work)

    async def revoke(self, access: ProjectAccess, request_id: UUID, reason: str) -> WaiverRequest:
        """End a waiver, or take a request back: its owner may, and whoever may approve.

        Raises:
            Problem: 404 without one, 403 for anybody else, 409 where it has ended already.
        """
        person = access.principal.person

        async def work(connection: Connection) -> WaiverRequest:
            request = await _found(connection, access, request_id, lock=True)
            if person != request.owner and not access.may(Permission.WAIVER_APPROVE):
                raise Problem(
                    status=403,
                    type="forbidden",
                    detail="a waiver is revoked by its owner or by somebody who may approve waivers",
                    next_step="ask one of them",
                )
            if request.state is WaiverState.REVOKED and request.ended_by == person:
                return request
            if request.current_state not in OPEN:
                raise _conflict(request, "there is nothing left to revoke")
            revoked = await store.revoke(connection, request, person, reason)
            await _tell(connection, str(access.actor), revoked, "revoked")
            return revoked

        return await self.database.run(work)


async def expire_waivers(database: Database) -> int:
    """Write down the end of every waiver whose last day is over; return how many. Any process may call it any time.

    Decisions do not wait for this: ``approved_waivers`` goes by the day.
    """

    async def work(connection: Connection) -> int:
        ended = await store.expire(connection, str(SYSTEM), EXPIRED_AT_ONCE)
        for request in ended:
            await _tell(connection, str(SYSTEM), request, "expired")
        return len(ended)

    count = ended = await database.run(work)
    while ended == EXPIRED_AT_ONCE:
        ended = await database.run(work)
        count += ended
    return count


async def remind_of_waivers(database: Database) -> int:
    """Tell of every approved waiver that ends soon, once for each of ``REMINDED_DAYS``; return how many."""

    async def work(connection: Connection) -> int:
        due = await store.remind(connection, REMINDED_DAYS, EXPIRED_AT_ONCE)
        for request in due:
            await _tell(connection, str(SYSTEM), request, "expiring")
        return len(due)

    return await database.run(work)


async def _found(
    connection: Connection, access: ProjectAccess, request_id: UUID, *, lock: bool = False
) -> WaiverRequest:
    request = await store.find_request(connection, access.project.id, request_id, lock=lock)
    if request is None:
        raise Problem(
            status=404, type="not-found", detail=f"this project has no waiver {request_id}", next_step="list them"
        )
    return request


def _require_clear(wish: WaiverWish) -> None:
    if fault := rule_fault(wish.rule):
        raise _invalid(fault, f"a rule is {RULE_FORM}")
    if fault := text_fault("reason", wish.reason):
        raise _invalid(fault, "say in a sentence why this is acceptable")
    for path in wish.paths:
        fault = text_fault("a path", path)
        if not fault and (path.startswith("/") or ".." in path.split("/") or "\\" in path):
            fault = f"the path {shown(path)} leads out of the project"
        if fault:
            raise _invalid(fault, "write glob patterns relative to the project, for example src/legacy/**")


def _invalid(detail: str, next_step: str) -> Problem:
    return Problem(status=422, type="invalid-request", detail=detail, next_step=next_step)


def _conflict(request: WaiverRequest, detail: str) -> Problem:
    return Problem(
        status=409,
        type="conflict",
        detail=f"the waiver is {request.current_state.value}: {detail}",
        next_step="ask for a new waiver where one is still needed",
    )


async def _tell(connection: Connection, actor: str, request: WaiverRequest, what: str) -> None:
    subject = f"waiver:{request.id}"
    facts = {"rule": request.rule, "until": request.until.isoformat(), "owner": request.owner}
    entry = AuditEntry(
        action=f"waiver.{what}",
        actor=actor,
        subject=subject,
        project_id=request.project_id,
        details={**facts, "state": request.state.value, "paths": list(request.paths)},
    )
    await append_entries(connection, [entry])
    event = OutgoingEvent(
        type=f"dev.quilate.waiver.{what}",
        project_id=request.project_id,
        subject=subject,
        data={"waiver": str(request.id), **facts},
    )
    await append_events(connection, [event])
