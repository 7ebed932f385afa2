"""Microsoft Teams, by the webhook of a workflow.

Source: https://learn.microsoft.com/microsoftteams/platform/webhooks-and-connectors/how-to/connectors-using (workflows
take Adaptive Cards only, wrapped into a ``message`` with one attachment) and https://adaptivecards.io/explorer
(``TextBlock``, ``Action.OpenUrl``). Text blocks know a part of Markdown: what comes from a repository is escaped.
"""

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

_MARKUP = "\\`*_[]()#<>~"


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamsSettings:
    """What is told.

    Attributes:
        when: Tell of those verdicts that are not PASS and of the end of such (``not-passed``), of all (``always``), or
            of those that differ from the one before (``changed``).
    """

    when: When = "not-passed"


class Teams:
    """Posts a card into a channel."""

    type: ClassVar[str] = "teams"
    kind: ClassVar[ConnectorKind] = ConnectorKind.NOTIFY
    summary: ClassVar[str] = "A card in a channel of Microsoft Teams, by a workflow's webhook"
    settings: ClassVar[Any] = TeamsSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="url", meaning="the workflow's webhook address; whoever has it can start that workflow"),
    )
    events: ClassVar[frozenset[str]] = TOLD_EVENTS

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Post the verdict.

        Raises:
            DeliveryError: Teams did not take it.
        """
        notice = await notice_of(event, context, context.settings.when)
        if notice is None:
            return Outcome(summary="nothing to tell", kind=OutcomeKind.NOTHING_TO_DO)
        outcome = await self._post(context, card(notice))
        await remember_told(notice, context)
        return outcome

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Post that this is a test."""
        return await self._post(context, _message([_text("This is a test of Quilate; nothing happened.")], ""))

    async def _post(self, context: DeliveryContext, body: dict[str, Any]) -> Outcome:
        await post_to_secret_address(context, body, what="Teams")
        return Outcome(summary="posted a card")


def card(notice: Notice) -> dict[str, Any]:
    """Return the card of a notice."""
    title = _text(f"{notice.sign} {escaped(notice.title)}".strip(), weight="Bolder", size="Medium")
    lines = (line for line in (*notice.lines, notice.what_if) if line)
    return _message([title, *(_text(f"- {escaped(line)}") for line in lines)], notice.url)


def _text(text: str, **more: str) -> dict[str, Any]:
    return {"type": "TextBlock", "text": text, "wrap": True, **more}


def _message(body: list[dict[str, Any]], url: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if url:
        content["actions"] = [{"type": "Action.OpenUrl", "title": "The run", "url": url}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": content}
    return {"type": "message", "attachments": [attachment]}


def escaped(text: str) -> str:
    """Return text without markup."""
    for sign in _MARKUP:
        text = text.replace(sign, f"\\{sign}")
    return text
