"""Which verdicts people are told of, over the runs of a branch (C05)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from quilate.connectors.notify.slack import Slack, SlackSettings
from quilate.connectors.notify.teams import Teams, TeamsSettings
from quilate.deliveries.connector import DeliveryError, RunReport
from tests.support.connectors import (
    MemoryContext,
    failing,
    finished_event,
    of_pull_request,
    open_context,
    passing,
    unknown,
)
from tests.support.receivers import Receiver, Reply, receiver

MADE = {"P": passing, "F": failing, "U": unknown}
CHATS = pytest.mark.parametrize("chat", [(Slack, SlackSettings), (Teams, TeamsSettings)], ids=["slack", "teams"])


async def heard(context: MemoryContext, outside: Receiver, chat: Any, *reports: RunReport) -> str:
    """Deliver the ends of runs; return a letter for each, a dot where nothing was told."""
    found = ""
    for report in reports:
        context.learn(report)
        before = len(outside.received)
        await chat[0]().deliver(finished_event(report), context)
        found += report.verdict[0] if len(outside.received) > before else "."
    return found


@CHATS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("when", "verdicts", "told"),
    [
        ("not-passed", "PPFFUPPF", "..FFUP.F"),
        ("changed", "PPFFUPPF", "..F.UP.F"),
        ("always", "PPFFUPPF", "PPFFUPPF"),
        ("not-passed", "UP", "UP"),
        ("changed", "PUUP", ".U.P"),
    ],
)
async def test_a_rejection_is_told_and_so_is_its_end(chat: Any, when: str, verdicts: str, told: str) -> None:
    reports = [MADE[letter](number) for number, letter in enumerate(verdicts, 1)]
    with receiver() as outside:
        secrets = {"url": f"{outside.url}/secret"}
        async with open_context(chat[1](when=when), secrets=secrets) as context:
            assert await heard(context, outside, chat, *reports) == told
        if "P" in told.lstrip("P"):
            assert any("again approved" in each.body.decode() for each in outside.received)


@CHATS
@pytest.mark.asyncio
async def test_branches_requests_and_blueprints_have_their_own_story(chat: Any) -> None:
    rejected = failing(1)
    others = (
        passing(2, branch="next"),
        passing(3, blueprint="quilate/other@1.0.0"),
        of_pull_request(passing(4)),
        replace(of_pull_request(passing(5)), branch="main"),
    )
    with receiver() as outside:
        async with open_context(chat[1](), secrets={"url": f"{outside.url}/secret"}) as context:
            assert await heard(context, outside, chat, rejected, *others) == "F...."
            newer_version = passing(6, blueprint="quilate/python@2.0.0")
            assert await heard(context, outside, chat, newer_version) == "P"


@CHATS
@pytest.mark.asyncio
@pytest.mark.parametrize(("when", "told"), [("not-passed", "F"), ("changed", ".")])
async def test_an_older_run_that_comes_late_ends_nothing_and_begins_nothing(chat: Any, when: str, told: str) -> None:
    first = failing(5)
    assert first.submitted_at is not None
    late = first.submitted_at - timedelta(minutes=3)
    with receiver() as outside:
        async with open_context(chat[1](when=when), secrets={"url": f"{outside.url}/secret"}) as context:
            assert await heard(context, outside, chat, first, passing(2, submitted_at=late)) == "F."
            assert await heard(context, outside, chat, passing(6)) == "P"
            assert await heard(context, outside, chat, failing(3, submitted_at=late)) == told
            assert await heard(context, outside, chat, passing(7)) == "."


@CHATS
@pytest.mark.asyncio
async def test_what_could_not_be_posted_was_not_told_and_a_repetition_is_not_told_twice(chat: Any) -> None:
    with receiver() as outside:
        async with open_context(chat[1](), secrets={"url": f"{outside.url}/secret"}) as context:
            outside.answer = lambda _: Reply(status=503)
            context.learn(failing(1))
            with pytest.raises(DeliveryError):
                await chat[0]().deliver(finished_event(failing(1)), context)
            assert context.memory == {}
            outside.answer = lambda _: Reply()
            assert await heard(context, outside, chat, failing(1), passing(2), passing(2)) == "FP."


@CHATS
@pytest.mark.asyncio
async def test_a_dry_run_remembers_nothing(chat: Any) -> None:
    with receiver() as outside:
        async with open_context(chat[1](), secrets={"url": f"{outside.url}/secret"}, dry_run=True) as context:
            assert await heard(context, outside, chat, failing(1)) == "."
            assert context.memory == {}
            assert context.http.recorded
