"""Slack, and everything that takes Slack's incoming webhooks (Mattermost, Rocket.Chat).

Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks (``text`` and ``blocks``; ``ok`` as
answer; 404 and 410 for a webhook that is gone) and https://docs.slack.dev/messaging/formatting-message-text (``&``,
``<`` and ``>`` are escaped, so that nobody can be mentioned from within a finding), and
https://docs.slack.dev/reference/block-kit/composition-objects/text-object (``verbatim``: nothing is parsed by itself).
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from quilate.connectors.notify.messages import TOLD_EVENTS, Notice, When, notice_of, remember_told
from quilate.connectors.notify.posting import post_to_secret_address
from quilate.deliveries.connector import (
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    Outcome,
    OutcomeKind,
    SecretSpec,
)

_LONGEST_SECTION = 2_900
_WORD_JOINER = "\u2060"


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackSettings:
    """What is told.

    Attributes:
        when: Tell of those verdicts that are not PASS and of the end of such (``not-passed``), of all (``always``), or
            of those that differ from the one before (``changed``).
    """

    when: When = "not-passed"


class Slack:
    """Posts a message into a channel."""

    type: ClassVar[str] = "slack"
    kind: ClassVar[ConnectorKind] = ConnectorKind.NOTIFY
    summary: ClassVar[str] = "A message in a channel of Slack, or of what takes Slack's incoming webhooks"
    settings: ClassVar[Any] = SlackSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="url", meaning="the incoming webhook's address; whoever has it can post into its one channel"),
    )
    events: ClassVar[frozenset[str]] = TOLD_EVENTS

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Post the verdict.

        Raises:
            DeliveryError: Slack did not take it.
        """
        notice = await notice_of(event, context, context.settings.when)
        if notice is None:
            return Outcome(summary="nothing to tell", kind=OutcomeKind.NOTHING_TO_DO)
        outcome = await self._post(context, message(notice))
        await remember_told(notice, context)
        return outcome

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Post that this is a test."""
        return await self._post(context, {"text": "This is a test of Quilate; nothing happened."})

    async def _post(self, context: DeliveryContext, body: dict[str, Any]) -> Outcome:
        await post_to_secret_address(context, body, what="Slack")
        return Outcome(summary="posted a message")


def message(notice: Notice) -> dict[str, Any]:
    """Return the message of a notice."""
    title = f"{notice.sign} {escaped(notice.title)}".strip()
    why = _section(notice.lines if not notice.what_if else (*notice.lines, notice.what_if))
    blocks: list[dict[str, Any]] = [{"type": "section", "text": _text(f"*{title}*")}]
    if why:
        blocks.append({"type": "section", "text": _text(why)})
    if notice.url:
        blocks.append({"type": "context", "elements": [_text(f"<{notice.url}|the run>")]})
    return {"text": title, "blocks": blocks}


def _section(lines: Iterable[str]) -> str:
    """Return as many whole lines as a section holds."""
    kept = ""
    for line in lines:
        longer = f"{kept}\n• {escaped(line)}".strip()
        if len(longer) > _LONGEST_SECTION:
            return f"{kept}\n…"
        kept = longer
    return kept


def _text(text: str) -> dict[str, Any]:
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def escaped(text: str) -> str:
    """Return text that mentions nobody and links to nothing, in Slack and in what reads ``@`` by itself."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("@", f"@{_WORD_JOINER}")
