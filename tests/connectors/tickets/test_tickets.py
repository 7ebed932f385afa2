"""The contract of all ticket connectors, over servers that keep issues (C05): one open ticket for what is rejected."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from quilate.connectors.tickets.tickets import marker_of
from quilate.deliveries.connector import DeliveryError, Outcome, OutcomeKind, RunReport
from quilate.kit.outgoing.http import OutgoingError
from tests.support.connectors import (
    EVIL,
    CrashError,
    MemoryContext,
    failing,
    finding,
    finished_event,
    of_pull_request,
    open_context,
    passing,
    queued,
    queued_event,
    superseded,
    unknown,
)
from tests.support.receivers import Received, Receiver, Reply, receiver
from tests.support.ticket_servers import TOKEN, GitHubServer, GitLabServer, JiraServer, TicketServer, texts_of

REVOKED = "revoked-token"
SERVERS = pytest.mark.parametrize(
    "server_type", [GitHubServer, GitLabServer, JiraServer], ids=["github", "gitlab", "jira"]
)


@dataclass(slots=True, kw_only=True)
class Desk:
    """A connection with its server."""

    server: TicketServer
    context: MemoryContext
    outside: Receiver

    async def tell(self, report: RunReport) -> Outcome:
        """Deliver the end of a run."""
        self.context.learn(report)
        return await self.server.connector().deliver(finished_event(report), self.context)


@contextlib.asynccontextmanager
async def desk(
    server_type: type[TicketServer], *, undecided: bool = False, dry_run: bool = False, **secrets: str
) -> AsyncIterator[Desk]:
    """Open a connection to a server of this kind."""
    server = server_type()
    with receiver(server) as outside:
        settings = server.settings(outside.url, undecided=undecided)
        async with open_context(settings, secrets={**server.secrets, **secrets}, dry_run=dry_run) as context:
            yield Desk(server=server, context=context, outside=outside)


def writes(outside: Receiver) -> list[Received]:
    """Return the requests that change something."""
    return [each for each in outside.received if each.method != "GET"]


@SERVERS
@pytest.mark.asyncio
async def test_a_rejection_opens_one_ticket_that_says_why(server_type: type[TicketServer]) -> None:
    report = failing()
    async with desk(server_type) as opened:
        outcome = await opened.tell(report)
    [ticket] = opened.server.tickets
    assert outcome.reference == ticket.number
    assert ticket.number in outcome.summary
    assert ticket.title == "Quilate rejects fraud on main"
    assert "quilate" in ticket.labels
    for said in ("lint: 3 new findings, limit 0", "ruff/E501 src/score.py:1", "correct the findings", report.url):
        assert said in ticket.text
    assert marker_of(report) in ticket.text


@SERVERS
@pytest.mark.asyncio
async def test_the_same_again_is_written_into_that_ticket(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        first = await opened.tell(failing(1))
        second = await opened.tell(failing(2, findings=40))
    [ticket] = opened.server.tickets
    assert first.reference == second.reference
    assert "limit 0" in ticket.text
    assert "20 more findings" in ticket.text
    assert ticket.comments == ticket.moves == []


@SERVERS
@pytest.mark.asyncio
async def test_an_approval_closes_it_with_a_reason_and_once(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        await opened.tell(failing(1))
        outcome = await opened.tell(passing(2))
        again = await opened.tell(passing(2))
    [ticket] = opened.server.tickets
    assert not ticket.is_open
    assert len(ticket.moves) == 1
    [comment] = ticket.comments
    assert "approved" in comment
    assert passing(2).url in comment
    assert outcome.kind is OutcomeKind.DELIVERED
    assert again.kind is OutcomeKind.NOTHING_TO_DO


@SERVERS
@pytest.mark.asyncio
async def test_an_approval_without_a_ticket_is_nothing_to_do(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        outcome = await opened.tell(passing())
    assert outcome.kind is OutcomeKind.NOTHING_TO_DO
    assert writes(opened.outside) == []


@SERVERS
@pytest.mark.asyncio
async def test_a_delivery_that_is_repeated_after_a_crash_opens_no_second_ticket(
    server_type: type[TicketServer],
) -> None:
    async with desk(server_type) as opened:
        opened.context.crashes_before_remembering = 1
        with pytest.raises(CrashError):
            await opened.tell(failing(1))
        await opened.tell(failing(1))
    assert len(opened.server.tickets) == 1


@SERVERS
@pytest.mark.asyncio
async def test_after_a_crash_before_anything_was_remembered_the_approval_still_finds_it(
    server_type: type[TicketServer],
) -> None:
    async with desk(server_type) as opened:
        opened.context.crashes_before_remembering = 1
        with pytest.raises(CrashError):
            await opened.tell(failing(1))
        await opened.tell(passing(2))
    assert [each.is_open for each in opened.server.tickets] == [False]


@SERVERS
@pytest.mark.asyncio
async def test_a_ticket_closed_by_hand_stays_closed_and_a_new_one_is_opened(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        await opened.tell(failing(1))
        opened.server.close_by_hand()
        opened.context.crashes_before_remembering = 1
        with pytest.raises(CrashError):
            await opened.tell(failing(2))
        # What is remembered is the closed one; the repetition finds the new one by its marker.
        await opened.tell(failing(2))
        await opened.tell(passing(3))
    first, second = opened.server.tickets
    assert first.moves == []
    assert (first.is_open, second.is_open) == (False, False)
    assert len(second.comments) == 1


@SERVERS
@pytest.mark.asyncio
async def test_a_ticket_that_was_deleted_is_opened_anew(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        await opened.tell(failing(1))
        opened.server.tickets[0].number = "999"
        opened.server.tickets[0].is_open = False
        await opened.tell(failing(2))
    assert [each.is_open for each in opened.server.tickets] == [False, True]


@SERVERS
@pytest.mark.asyncio
async def test_branches_and_blueprints_have_tickets_of_their_own(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        await opened.tell(failing(1))
        await opened.tell(failing(2, branch="release"))
        await opened.tell(failing(3, blueprint="quilate/strict@1.0.0"))
        await opened.tell(failing(4, blueprint="quilate/python@1.3.0"))
        await opened.tell(passing(5))
    assert [each.is_open for each in opened.server.tickets] == [False, True, True]


@SERVERS
@pytest.mark.asyncio
@pytest.mark.parametrize("undecided", [False, True])
async def test_what_could_not_be_judged_has_a_ticket_only_where_that_is_asked(
    server_type: type[TicketServer], *, undecided: bool
) -> None:
    async with desk(server_type, undecided=undecided) as opened:
        outcome = await opened.tell(unknown())
    assert (outcome.kind is OutcomeKind.DELIVERED) == undecided
    assert [each.title for each in opened.server.tickets] == ["Quilate cannot judge fraud on main"] * undecided


@SERVERS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "report",
    [of_pull_request(failing()), of_pull_request(passing()), of_pull_request(failing(), fork=True), superseded()],
    ids=["request-rejected", "request-approved", "fork", "superseded"],
)
async def test_requests_and_superseded_runs_have_none(server_type: type[TicketServer], report: RunReport) -> None:
    async with desk(server_type) as opened:
        outcome = await opened.tell(report)
    assert outcome.kind is OutcomeKind.NOTHING_TO_DO
    assert opened.outside.received == []


@SERVERS
@pytest.mark.asyncio
async def test_other_events_are_nothing_to_do(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        outcome = await server_type.connector().deliver(queued_event(queued()), opened.context)
    assert outcome.kind is OutcomeKind.NOTHING_TO_DO
    assert opened.outside.received == []


@SERVERS
@pytest.mark.asyncio
async def test_what_a_repository_says_is_no_markup(server_type: type[TicketServer]) -> None:
    hostile = f"{EVIL}\n```\n/close\n@all ~~~ ````"
    report = replace(
        failing(headline=hostile, reasons=(hostile,), next_steps=(hostile,), branch="a```b"),
        findings=(finding(path=hostile, message=hostile, rule=hostile),),
    )
    async with desk(server_type) as opened:
        await opened.tell(report)
        await opened.tell(passing(2, branch="a```b"))
    [ticket] = opened.server.tickets
    assert "\n" not in ticket.title
    if server_type is JiraServer:
        assert texts_of(json.loads(ticket.text))[-1] == marker_of(report)
    else:
        assert_fenced(ticket.text, behind=marker_of(report))
        assert_fenced(ticket.comments[0], behind="")


def assert_fenced(text: str, *, behind: str) -> None:
    """Assert that Markdown is one block of code, by the rules of CommonMark, and a line behind it."""
    first, *rest = text.split("\n")
    assert first == "```text"
    end = next(number for number, line in enumerate(rest) if line.strip() and not line.strip().strip("`"))
    assert rest[end] == "```"
    assert "\n".join(rest[end + 1 :]).strip() == behind


@SERVERS
@pytest.mark.asyncio
async def test_a_repository_cannot_lay_hands_on_another_projects_ticket(server_type: type[TicketServer]) -> None:
    mine = failing(1)
    forged = failing(2, project="other", reasons=(marker_of(mine), f"``` {marker_of(mine)}"))
    async with desk(server_type) as opened:
        await opened.tell(forged)
        await opened.tell(mine)
        await opened.tell(passing(3))
    assert [each.is_open for each in opened.server.tickets] == [True, False]


@SERVERS
@pytest.mark.asyncio
async def test_long_names_and_texts_are_shortened_to_what_providers_take(server_type: type[TicketServer]) -> None:
    report = failing(branch="b" * 400, reasons=tuple("r" * 5_000 for _ in range(200)))
    async with desk(server_type) as opened:
        await opened.tell(report)
    [ticket] = opened.server.tickets
    assert len(ticket.title) <= 250
    assert 10_000 < len(ticket.text) < 32_000
    assert marker_of(report) in ticket.text


@SERVERS
@pytest.mark.asyncio
async def test_a_dry_run_changes_nothing_and_shows_what_it_would_send(server_type: type[TicketServer]) -> None:
    async with desk(server_type, dry_run=True) as opened:
        outcome = await opened.tell(failing())
    assert outcome.summary == "would open a ticket"
    assert opened.server.tickets == []
    assert writes(opened.outside) == []
    [recorded] = opened.context.http.recorded
    assert b"Quilate rejects fraud on main" in recorded.body
    assert TOKEN not in str(recorded)


@SERVERS
@pytest.mark.asyncio
async def test_the_test_delivery_reads_only(server_type: type[TicketServer]) -> None:
    async with desk(server_type) as opened:
        outcome = await server_type.connector().probe(opened.context)
    assert "reachable" in outcome.summary
    assert len(opened.outside.received) == 1
    assert writes(opened.outside) == []


@SERVERS
@pytest.mark.asyncio
async def test_a_refused_token_is_said_and_not_repeated(server_type: type[TicketServer]) -> None:
    async with desk(server_type, token=REVOKED) as opened:
        for attempt in (opened.tell(failing()), server_type.connector().probe(opened.context)):
            with pytest.raises(DeliveryError) as caught:
                await attempt
            assert caught.value.permanent
            assert caught.value.next_step
            assert REVOKED not in f"{caught.value} {caught.value.next_step}"


HTML = Reply(status=200, body=b"<html>sign in", headers={"content-type": "text/html"})


@SERVERS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "permanent", "pause"),
    [
        (Reply(status=403, body=b'{"message": "no right"}'), True, None),
        (Reply(status=429, headers={"retry-after": "17"}), False, 17.0),
        (Reply(status=500, body=b"<html>", headers={"content-type": "text/html"}), False, None),
        (Reply(status=503, headers={"retry-after": "3"}), False, 3.0),
        (Reply(status=422, body=b'{"message": "Validation Failed"}'), True, None),
    ],
    ids=["forbidden", "limited", "broken", "away", "invalid"],
)
async def test_what_an_answer_means(
    server_type: type[TicketServer], answer: Reply, *, permanent: bool, pause: float | None
) -> None:
    for method in ("GET", "POST"):
        async with desk(server_type) as opened:
            opened.server.fault = faults(method, answer)
            with pytest.raises(DeliveryError) as caught:
                await opened.tell(failing())
            assert (caught.value.permanent, caught.value.retry_after_seconds) == (permanent, pause)
            assert "<html>" not in str(caught.value)
            # Once it is over the repetition brings the one ticket.
            opened.server.fault = faults("NONE", answer)
            await opened.tell(failing())
            assert len(opened.server.tickets) == 1


@SERVERS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "body", [b"<html>", b"null", b"[1]", b'"text"', b'{"issues": 7}', b'{"issues": [7]}', b'{"message": "moved"}']
)
async def test_answers_of_another_form_break_nothing(server_type: type[TicketServer], body: bytes) -> None:
    async with desk(server_type) as opened:
        number = (await opened.tell(failing())).reference
        for method in ("GET", "POST"):
            opened.server.fault = faults(method, replace(HTML, body=body))
            for report in (failing(2), passing(3), failing(4, branch="other")):
                with contextlib.suppress(DeliveryError, OutgoingError):
                    await opened.tell(report)
    assert number == opened.server.tickets[0].number


def faults(method: str, answer: Reply) -> Any:
    """Return what answers requests of one method so."""
    return lambda request: answer if request.method == method else None


@SERVERS
@pytest.mark.asyncio
@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_credentials_do_not_follow_to_another_host(server_type: type[TicketServer], status: int) -> None:
    with receiver() as elsewhere:
        async with desk(server_type) as opened:
            opened.server.fault = lambda request: Reply(
                status=status, headers={"location": f"{elsewhere.url}{request.path}"}
            )
            with pytest.raises(OutgoingError) as caught:
                await opened.tell(failing())
            assert caught.value.permanent
    assert elsewhere.received == []
