"""The contract of connectors that post to channels, Slack and Teams (C05): who is told of what, without markup."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jsonschema
import pytest

from quilate.connectors.notify.slack import Slack, SlackSettings
from quilate.connectors.notify.teams import Teams, TeamsSettings
from quilate.deliveries.connector import Connector, DeliveredEvent, DeliveryError, Outcome, OutcomeKind, RunReport
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp
from tests.support.connectors import (
    EVIL,
    MemoryContext,
    failing,
    finished_event,
    of_pull_request,
    open_context,
    other_event,
    passing,
    queued,
    queued_event,
    superseded,
    unknown,
)
from tests.support.receivers import Received, Reply, receiver

SECRET_PATH = "services/T024/B024/XsecretX"  # noqa: S105 - of an address that exists for a test
TEXT_OBJECT = {
    "type": "object",
    "properties": {
        "type": {"const": "mrkdwn"},
        "text": {"type": "string", "minLength": 1, "maxLength": 3000},
        "verbatim": {"const": True},
    },
    "required": ["type", "text", "verbatim"],
    "additionalProperties": False,
}
SECTION = {
    "type": "object",
    "properties": {"type": {"const": "section"}, "text": TEXT_OBJECT},
    "required": ["type", "text"],
    "additionalProperties": False,
}
CONTEXT = {
    "type": "object",
    "properties": {
        "type": {"const": "context"},
        "elements": {"type": "array", "minItems": 1, "maxItems": 10, "items": TEXT_OBJECT},
    },
    "required": ["type", "elements"],
    "additionalProperties": False,
}
SLACK_FORM = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 40_000},
        "blocks": {"type": "array", "maxItems": 50, "items": {"oneOf": [SECTION, CONTEXT]}},
    },
    "required": ["text"],
    "additionalProperties": False,
}
"""From https://docs.slack.dev/reference/block-kit: what a message with sections and contexts may be."""

CARD = {
    "type": "object",
    "properties": {
        "$schema": {"const": "http://adaptivecards.io/schemas/adaptive-card.json"},
        "type": {"const": "AdaptiveCard"},
        "version": {"const": "1.4"},
        "body": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "type": {"const": "TextBlock"},
                    "text": {"type": "string", "minLength": 1},
                    "wrap": {"type": "boolean"},
                    "weight": {"enum": ["Default", "Lighter", "Bolder"]},
                    "size": {"enum": ["Default", "Small", "Medium", "Large", "ExtraLarge"]},
                },
                "required": ["type", "text"],
                "additionalProperties": False,
            },
        },
        "actions": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "type": {"const": "Action.OpenUrl"},
                    "title": {"type": "string"},
                    "url": {"type": "string"},
                },
                "required": ["type", "url"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "version", "body"],
    "additionalProperties": False,
}
TEAMS_FORM = {
    "type": "object",
    "properties": {
        "type": {"const": "message"},
        "attachments": {
            "type": "array",
            "minItems": 1,
            "maxItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "contentType": {"const": "application/vnd.microsoft.card.adaptive"},
                    "contentUrl": {"type": "null"},
                    "content": CARD,
                },
                "required": ["contentType", "content"],
                "additionalProperties": False,
            },
        },
    },
    "required": ["type", "attachments"],
    "additionalProperties": False,
}
"""From the page on workflows at learn.microsoft.com and https://adaptivecards.io/explorer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat:
    """A connector with what its documentation allows it to post."""

    connector: type[Connector]
    settings: type[Any]
    form: Mapping[str, Any]


SLACK = Chat(connector=Slack, settings=SlackSettings, form=SLACK_FORM)
TEAMS = Chat(connector=Teams, settings=TeamsSettings, form=TEAMS_FORM)
CHATS = pytest.mark.parametrize("chat", [SLACK, TEAMS], ids=["slack", "teams"])


async def told(
    chat: Chat, event: DeliveredEvent, *reports: RunReport, when: str = "not-passed", dry_run: bool = False
) -> tuple[Outcome, list[Received], MemoryContext]:
    """Deliver an event; return its outcome and what arrived, which keeps to the documented form."""
    with receiver() as outside:
        secrets = {"url": f"{outside.url}/{SECRET_PATH}"}
        async with open_context(chat.settings(when=when), secrets=secrets, dry_run=dry_run) as context:
            for report in reports:
                context.learn(report)
            outcome = await chat.connector().deliver(event, context)
    for request in outside.received:
        assert (request.method, request.path) == ("POST", f"/{SECRET_PATH}")
        jsonschema.Draft202012Validator(chat.form).validate(request.json())
    return outcome, outside.received, context


def texts(document: Any) -> list[str]:
    """Return everything in a message that people read."""
    if isinstance(document, dict):
        own = [document["text"]] if isinstance(document.get("text"), str) else []
        return own + [text for value in document.values() for text in texts(value)]
    return [text for each in document for text in texts(each)] if isinstance(document, list) else []


@CHATS
@pytest.mark.asyncio
@pytest.mark.parametrize("report", [failing(), unknown()], ids=["rejected", "undecided"])
async def test_a_verdict_that_is_no_pass_is_told_with_its_reasons(chat: Chat, report: RunReport) -> None:
    outcome, [request], _ = await told(chat, finished_event(report), report)
    said = "\n".join(texts(request.json()))
    assert outcome.kind is OutcomeKind.DELIVERED
    assert ("rejected" if report.verdict == "FAIL" else "undecided") in said
    assert "fraud on main" in said
    assert report.reasons[0].split(":")[0] in said
    assert report.url in request.body.decode()


@CHATS
@pytest.mark.asyncio
async def test_an_approval_is_told_only_where_all_verdicts_are_wanted(chat: Chat) -> None:
    report = passing()
    silent, nothing, _ = await told(chat, finished_event(report), report)
    outcome, [request], _ = await told(chat, finished_event(report), report, when="always")
    assert (silent.kind, nothing) == (OutcomeKind.NOTHING_TO_DO, [])
    assert outcome.kind is OutcomeKind.DELIVERED
    assert "approved" in "\n".join(texts(request.json()))


@CHATS
@pytest.mark.asyncio
async def test_superseded_runs_beginnings_and_other_events_are_not_told(chat: Chat) -> None:
    for event, reports in (
        (finished_event(superseded()), (superseded(),)),
        (finished_event(failing(superseded=True)), (failing(superseded=True),)),
        (queued_event(queued()), (queued(),)),
        (other_event(), ()),
    ):
        outcome, arrived, _ = await told(chat, event, *reports, when="always")
        assert (outcome.kind, arrived) == (OutcomeKind.NOTHING_TO_DO, [])


@CHATS
@pytest.mark.asyncio
async def test_requests_are_told_as_well_with_what_their_own_blueprint_would_have_said(chat: Chat) -> None:
    report = of_pull_request(failing(what_if="Under the change's own blueprint it would pass"), fork=True)
    _, [request], _ = await told(chat, finished_event(report), report)
    said = "\n".join(texts(request.json()))
    assert "fraud on feature" in said
    assert "own blueprint it would pass" in said


def waiver_event(what: str, **changes: str) -> DeliveredEvent:
    """Return an event of a waiver as the service appends it."""
    data = {"waiver": "0198c0de", "rule": "ruff/E501", "until": "2027-01-01", "owner": "ann", **changes}
    return DeliveredEvent(
        id=UUID(int=7),
        type=f"dev.quilate.waiver.{what}",
        time=datetime(2026, 11, 21, tzinfo=UTC),
        project="fraud",
        subject="waiver:0198c0de",
        data=data,
    )


@CHATS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("what", "said"), [("requested", "quilate waiver approve 0198c0de"), ("expiring", "ends on 2027")]
)
async def test_waivers_that_need_a_person_are_told(chat: Chat, what: str, said: str) -> None:
    _, [request], _ = await told(chat, waiver_event(what))
    plain = "\n".join(texts(request.json())).replace("\\", "")
    assert said in plain
    assert "ruff/E501" in plain
    assert "ann" not in plain.replace("Another", "")


def no_markup_of_slack(text: str, url: str) -> None:
    links = text.replace(f"<{url}|the run>", "")
    assert not set(links) & {"<", ">"}
    assert not any(word in text for word in ("@everyone", "@channel", "@U024"))


def no_markup_of_teams(text: str, _url: str) -> None:
    bare = text.replace("\\\\", "")
    signs = [number for number, sign in enumerate(bare) if sign in "`*_[]()#<>~"]
    assert all(bare[number - 1] == "\\" for number in signs)


@CHATS
@pytest.mark.asyncio
async def test_what_a_repository_says_is_no_markup(chat: Chat) -> None:
    hostile = f"{EVIL} <!channel> <@U024> <https://evil.test|here> @channel ~~x~~ \u202e\x1b[31m"
    report = failing(branch=hostile, reasons=(hostile,), what_if=hostile)
    waiver = waiver_event("requested", rule=hostile, until=hostile, waiver=hostile)
    for event in (finished_event(report), waiver):
        _, [request], _ = await told(chat, event, report)
        for text in texts(request.json()):
            assert "\u202e" not in text
            assert "\x1b" not in text
            (no_markup_of_slack if chat is SLACK else no_markup_of_teams)(text, report.url)


@CHATS
@pytest.mark.asyncio
async def test_many_long_reasons_keep_to_the_limits(chat: Chat) -> None:
    for sign, last in (("r", "92 more lines"), ("&", "")):
        report = failing(reasons=tuple(f"{number} " + sign * 5_000 for number in range(100)), branch="b" * 300)
        _, [request], _ = await told(chat, finished_event(report), report)
        said = "\n".join(texts(request.json()))
        assert len(request.body) < 28_000
        assert last in said
        assert chat is not SLACK or not said.replace("&amp;", "").count("&")


@CHATS
@pytest.mark.asyncio
async def test_a_dry_run_posts_nothing_and_its_record_is_without_the_address(chat: Chat) -> None:
    report = failing()
    _, arrived, context = await told(chat, finished_event(report), report, dry_run=True)
    [recorded] = context.http.recorded
    assert arrived == []
    jsonschema.Draft202012Validator(chat.form).validate(json.loads(recorded.body))
    assert "XsecretX" not in str(recorded)


@CHATS
@pytest.mark.asyncio
async def test_the_test_delivery_says_that_it_is_one(chat: Chat) -> None:
    with receiver() as outside:
        async with open_context(chat.settings(), secrets={"url": f"{outside.url}/{SECRET_PATH}"}) as context:
            await chat.connector().probe(context)
    [request] = outside.received
    jsonschema.Draft202012Validator(chat.form).validate(request.json())
    assert "test" in request.body.decode()


PAGE = {"content-type": "text/html"}
PLAIN = {"content-type": "text/plain"}


@CHATS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("reply", "permanent", "pause"),
    [
        (Reply(status=403, body=b"invalid_token", headers=PLAIN), True, None),
        (Reply(status=404, body=b"no_service", headers=PLAIN), True, None),
        (Reply(status=410, body=b"channel_is_archived", headers=PLAIN), True, None),
        (Reply(status=429, headers={"retry-after": "30"}), False, 30.0),
        (Reply(status=500, body=b"<html>", headers=PAGE), False, None),
        (Reply(status=302, headers={"location": "/elsewhere"}), True, None),
        (Reply(status=302, headers={"location": "https://evil.test/XsecretX"}), True, None),
    ],
    ids=["forbidden", "unknown", "gone", "limited", "broken", "moved", "led-away"],
)
async def test_what_an_answer_means(chat: Chat, reply: Reply, *, permanent: bool, pause: float | None) -> None:
    with receiver(lambda _: reply) as outside:
        async with open_context(chat.settings(), secrets={"url": f"{outside.url}/{SECRET_PATH}"}) as context:
            with pytest.raises(DeliveryError) as caught:
                await chat.connector().probe(context)
    error = caught.value
    assert (error.permanent, error.retry_after_seconds) == (permanent, pause)
    assert "XsecretX" not in f"{error} {error.next_step}"
    assert "<html>" not in str(error)
    assert len(outside.received) == 1


@CHATS
@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("address", "permanent"),
    [
        ("", True),
        ("ftp://hooks.test/XsecretX", True),
        ("https://user:XsecretX@hooks.test/", True),
        ("https://[::1/XsecretX", True),
        ("https://hooks.test/XsecretX\u00e9", True),
        ("https://10.0.0.7/XsecretX", True),
        ("http://hooks.test/XsecretX", True),
        ("https://hooks.invalid/XsecretX", False),
        ("https://127.0.0.1:1/XsecretX?sig=XsecretX", True),
    ],
)
async def test_an_address_that_cannot_be_used_is_not_repeated(chat: Chat, address: str, *, permanent: bool) -> None:
    context = MemoryContext(
        settings=chat.settings(), http=OutgoingHttp(policy=AddressPolicy()), secrets={"url": address}
    )
    try:
        with pytest.raises(DeliveryError) as caught:
            await chat.connector().probe(context)
    finally:
        await context.http.close()
    error: BaseException | None = caught.value
    assert caught.value.permanent == permanent
    assert caught.value.next_step or not permanent
    while error is not None:
        assert "XsecretX" not in f"{error} {getattr(error, 'next_step', '')}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


@pytest.mark.asyncio
async def test_an_answer_that_repeats_the_address_is_not_shown() -> None:
    reply = Reply(status=400, body=f"no hook at /{SECRET_PATH}".encode(), headers=PLAIN)
    with receiver(lambda _: reply) as outside:
        async with open_context(SlackSettings(), secrets={"url": f"{outside.url}/{SECRET_PATH}"}) as context:
            with pytest.raises(DeliveryError) as caught:
                await Slack().probe(context)
    assert "XsecretX" not in str(caught.value)
    assert "400" in str(caught.value)
