"""C05: what every connector to a catalogue does; each one's test file runs these cases against its server."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from quilate.connectors.registry import load_connector
from quilate.deliveries.connector import Connector, ConnectorKind, DeliveryError, OutcomeKind, RunReport
from quilate.kit.outgoing.http import OutgoingError
from tests.support.connectors import (
    EVIL,
    MemoryContext,
    check,
    failing,
    finished_event,
    open_context,
    other_event,
    passing,
    queued,
    queued_event,
    superseded,
    unknown,
)
from tests.support.receivers import Received, Receiver, Reply, receiver

TOKEN = "token-of-the-catalogue"  # noqa: S105 - of a server that exists for a test


class CatalogContract(ABC):
    """The cases.

    Attributes:
        type: The connector's name.
    """

    type: ClassVar[str]

    @abstractmethod
    def settings(self, base_url: str, **changes: Any) -> Any:
        """Return the connector's settings, by which it names a dataset."""

    @abstractmethod
    def check_shape(self, request: Received) -> None:
        """Fail where a request is not of the shape that the catalogue publishes."""

    @property
    def connector(self) -> Connector:
        return load_connector(self.type)

    @asynccontextmanager
    async def context(
        self, outside: Receiver, *, dry_run: bool = False, **changes: Any
    ) -> AsyncIterator[MemoryContext]:
        """Give a context for the connector's settings."""
        made = self.settings(outside.url, **changes)
        async with open_context(made, secrets={"token": TOKEN}, dry_run=dry_run) as context:
            yield context

    async def sent(self, report: RunReport, **changes: Any) -> list[Received]:
        """Deliver the end of a run; return what arrived."""
        with receiver() as outside:
            async with self.context(outside, **changes) as context:
                context.learn(report)
                outcome = await self.connector.deliver(finished_event(report), context)
            assert outcome.summary
            return outside.received

    def test_it_says_what_it_is(self) -> None:
        assert self.connector.type == self.type
        assert self.connector.kind is ConnectorKind.CATALOG

    @pytest.mark.asyncio
    @pytest.mark.parametrize("report", [passing(), failing(), unknown()], ids=["pass", "fail", "unknown"])
    async def test_every_verdict_is_told_in_the_published_shape(self, report: RunReport) -> None:
        arrived = await self.sent(report)
        assert arrived
        for request in arrived:
            assert request.method == "POST"
            assert request.headers["authorization"] == f"Bearer {TOKEN}"
            self.check_shape(request)

    @pytest.mark.asyncio
    async def test_hostile_and_endless_texts_keep_to_the_published_shape(self) -> None:
        checks = tuple(check(f"c{number}", "fail", reason=EVIL * 500) for number in range(120))
        report = replace(failing(), headline=EVIL * 500, reasons=(EVIL,) * 200, checks=checks, blueprint=EVIL)
        arrived = await self.sent(report)
        for request in arrived:
            self.check_shape(request)
            assert len(request.body) < 1_000_000

    @pytest.mark.asyncio
    async def test_a_repetition_sends_the_same(self) -> None:
        first, again = await self.sent(failing()), await self.sent(failing())
        assert [(each.path, each.json()) for each in first] == [(each.path, each.json()) for each in again]

    @pytest.mark.asyncio
    async def test_what_has_no_verdict_is_nothing_to_do(self) -> None:
        cases = ((finished_event(superseded()), superseded()), (queued_event(queued()), queued()))
        with receiver() as outside:
            async with self.context(outside) as context:
                for event, report in (*cases, (other_event(), queued())):
                    context.learn(report)
                    assert (await self.connector.deliver(event, context)).kind is OutcomeKind.NOTHING_TO_DO
        assert outside.received == []

    @pytest.mark.asyncio
    async def test_a_dry_run_sends_nothing_and_shows_no_token(self) -> None:
        with receiver() as outside:
            async with self.context(outside, dry_run=True) as context:
                context.learn(failing())
                await self.connector.deliver(finished_event(failing()), context)
        assert outside.received == []
        assert context.http.recorded
        assert TOKEN not in str(context.http.recorded)

    @pytest.mark.asyncio
    @pytest.mark.parametrize(
        ("reply", "permanent", "pause"),
        [
            (Reply(status=401), True, None),
            (Reply(status=403, body=TOKEN.encode()), True, None),
            (Reply(status=404), True, None),
            (Reply(status=422, body=b'{"code": 422}'), True, None),
            (Reply(status=429, headers={"retry-after": "9"}), False, 9.0),
            (Reply(status=500, body=b"<html>", headers={"content-type": "text/html"}), False, None),
            (Reply(status=503, headers={"retry-after": "5"}), False, 5.0),
        ],
    )
    async def test_what_an_answer_means(self, reply: Reply, *, permanent: bool, pause: float | None) -> None:
        with receiver(lambda _: reply) as outside:
            async with self.context(outside) as context:
                context.learn(failing())
                with pytest.raises(DeliveryError) as caught:
                    await self.connector.deliver(finished_event(failing()), context)
        assert (caught.value.permanent, caught.value.retry_after_seconds) == (permanent, pause)
        assert TOKEN not in str(caught.value)

    @pytest.mark.asyncio
    async def test_the_token_does_not_follow_to_another_host(self) -> None:
        with receiver() as elsewhere, receiver() as outside:
            outside.answer = lambda _: Reply(status=307, headers={"location": elsewhere.url})
            async with self.context(outside) as context:
                context.learn(failing())
                with pytest.raises(OutgoingError):
                    await self.connector.deliver(finished_event(failing()), context)
        assert elsewhere.received == []

    @pytest.mark.asyncio
    async def test_the_test_delivery_reads_only_and_tells_of_a_refused_token(self) -> None:
        with receiver() as outside:
            async with self.context(outside) as context:
                assert (await self.connector.probe(context)).summary
                outside.answer = lambda _: Reply(status=401)
                with pytest.raises(DeliveryError):
                    await self.connector.probe(context)
        assert {each.method for each in outside.received} == {"GET"}
