"""C05: what the cases of every forge connector stand on: server, connector, context and deliveries."""

from abc import abstractmethod
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from quilate.connectors.forges.delivering import ForgeConnector
from quilate.connectors.forges.report import State
from quilate.connectors.registry import load_connector
from quilate.deliveries.catalog import settings_of
from quilate.deliveries.connector import Outcome, RunReport
from tests.support import connectors as made
from tests.support.connectors import MemoryContext
from tests.support.forge_servers.server import ForgeServer, Reply
from tests.support.servers import serving

PULL = 12
MARKER = "quilate:comment:fraud"
PAGE = Reply(status=200, raw=b"<html>Sign in</html>", content_type="text/html")


class ForgeCases:
    """The cases.

    Attributes:
        type: The connector's name.
        words: What each state is called by the provider.
        secret: Name of the secret that ``token`` is given as.
        limited: An answer by which the provider limits rates.
        longest: Of a comment, in characters.
    """

    type: ClassVar[str]
    words: ClassVar[Mapping[State, str]]
    token: ClassVar[str] = "token-of-the-connection"  # noqa: S105 - known to nobody but the test
    limited: ClassVar[Reply] = Reply(status=429, document={"message": "slow down"}, headers={"retry-after": "17"})
    longest: ClassVar[int]

    @abstractmethod
    def make_server(self) -> ForgeServer:
        """Return a server."""

    def secrets(self) -> dict[str, str]:
        """Return the connection's secrets."""
        return {"token": self.token}

    def further_settings(self) -> dict[str, Any]:
        """Return settings beside base URL and repository."""
        return {}

    @pytest.fixture
    def server(self) -> Iterator[ForgeServer]:
        server = self.make_server()
        with serving(server):
            yield server
        assert not server.violations, server.violations

    @pytest.fixture
    def connector(self) -> ForgeConnector:
        loaded = load_connector(self.type)
        assert isinstance(loaded, ForgeConnector)
        return loaded

    @asynccontextmanager
    async def context(
        self, server: ForgeServer, connector: ForgeConnector, *, dry_run: bool = False, **settings: Any
    ) -> AsyncIterator[MemoryContext]:
        """Give a context for the connector's settings."""
        given = {"repository": made.REPOSITORY, "base_url": server.base_url, **self.further_settings(), **settings}
        parsed = settings_of(connector, given)
        async with made.open_context(parsed, secrets=self.secrets(), dry_run=dry_run, timeout=5) as context:
            yield context

    def of(self, report: RunReport, *, number: int | None = PULL, fork: bool = False) -> RunReport:
        """Return a report as one of this provider's events, by default of a pull request."""
        assert report.trigger is not None
        told = replace(report, trigger=replace(report.trigger, provider=self.type, repository_id=self.repository_id()))
        return told if number is None else made.of_pull_request(told, number=number, fork=fork)

    def repository_id(self) -> str:
        """Return the repository's id as the provider's events name it."""
        return "4711"

    @staticmethod
    async def begin(connector: ForgeConnector, context: MemoryContext, report: RunReport) -> Outcome:
        """Deliver that a run was queued."""
        return await connector.deliver(made.queued_event(context.learn(report)), context)

    @staticmethod
    async def end(connector: ForgeConnector, context: MemoryContext, report: RunReport) -> Outcome:
        """Deliver that a run ended."""
        return await connector.deliver(made.finished_event(context.learn(report)), context)
