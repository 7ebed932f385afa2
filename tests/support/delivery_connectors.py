"""Connectors of tests, registered as a plug-in registers its own."""

import asyncio
import os
import signal
from dataclasses import dataclass
from typing import Any, ClassVar

from quilate.connectors.answers import require_success
from quilate.connectors.registry import register_connector
from quilate.deliveries.connector import (
    ALL_EVENTS,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    Outcome,
    SecretSpec,
)

TRACKER = "test-tracker"


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """``mode``: ``send``; ``break`` raises what no connector should; ``hang`` never ends; ``die`` after sending."""

    url: str
    mode: str = "send"


class TokenSender:
    """Sends events with a token, as forges and trackers want it."""

    type: ClassVar[str] = TRACKER
    kind: ClassVar[ConnectorKind] = ConnectorKind.TICKETS
    summary: ClassVar[str] = "A connector of tests"
    settings: ClassVar[Any] = TokenSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (SecretSpec(name="token", meaning="lets it in"),)
    events: ClassVar[frozenset[str]] = ALL_EVENTS

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Send the event's subject."""
        settings: TokenSettings = context.settings
        token = context.secret("token")
        if settings.mode == "break":
            raise KeyError(token)
        if settings.mode == "hang":
            await asyncio.Event().wait()
        answer = await context.http.request(
            "POST",
            f"{settings.url}/issues?key={token}",
            headers={"x-tracker-token": token, "x-event": str(event.id)},
            json_body={"subject": event.subject, "token": token},
        )
        if settings.mode == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        require_success(answer, what="the tracker")
        return Outcome(summary=f"made an issue: {answer.content.decode()}", reference=f"{settings.url}/{token}")

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Send a subject that is none."""
        settings: TokenSettings = context.settings
        if settings.mode == "break":
            raise KeyError(context.secret("token"))
        if settings.mode == "hang":
            await asyncio.Event().wait()
        return Outcome(summary="works")


def register() -> None:
    """Make the connectors known in this process."""
    register_connector(TRACKER, f"{__name__}:TokenSender")


register()
