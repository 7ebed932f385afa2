"""C05: verdicts at Bitbucket Cloud."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar

import pytest

from quilate.accounts.model import Role
from quilate.connectors.forges.delivering import ForgeConnector
from quilate.connectors.forges.report import State
from quilate.deliveries.connector import DeliveryError
from tests.connectors.forges.cases_base import PULL
from tests.connectors.forges.contract import ForgeContract
from tests.support import connectors as made
from tests.support.connectors import COMMIT
from tests.support.forge_servers.bitbucket import BitbucketServer
from tests.support.forge_servers.server import Fault, Reply
from tests.support.servers import serving


class TestBitbucket(ForgeContract):
    """The shared cases, and what only Bitbucket has."""

    type: ClassVar[str] = "bitbucket"
    words: ClassVar[Mapping[State, str]] = {
        State.PENDING: "INPROGRESS",
        State.PASSED: "SUCCESSFUL",
        State.FAILED: "FAILED",
        State.UNKNOWN: "FAILED",
        State.SUPERSEDED: "STOPPED",
    }
    roles: ClassVar[Mapping[str, Role | None]] = {"admin": Role.REVIEWER, "write": Role.DEVELOPER, "read": None}
    longest: ClassVar[int] = 32_768

    def make_server(self) -> BitbucketServer:
        return BitbucketServer(token=self.token)

    def repository_id(self) -> str:
        return "{b1f1d5a2-0000-4000-8000-000000004711}"

    @pytest.mark.asyncio
    async def test_findings_become_annotations_in_batches(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing(findings=1_500)))
        [report] = server.reports.values()
        assert report["result"] == "FAILED"
        assert len(server.annotations[COMMIT, "quilate"]) == 1_000
        assert sum("annotations" in change for change in server.changes) == 10

    @pytest.mark.asyncio
    async def test_a_report_that_another_run_takes_away_is_made_again(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            server.taken_away = 2
            await self.end(connector, context, self.of(made.failing(findings=3)))
            assert len(server.annotations[COMMIT, "quilate"]) == 3
            server.taken_away = 100
            with pytest.raises(DeliveryError):
                await self.end(connector, context, self.of(made.failing(2, findings=3)))
            assert server.taken_away > 90

    @pytest.mark.asyncio
    async def test_a_report_is_replaced_with_its_annotations(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing(1, findings=150)))
            await self.end(connector, context, self.of(made.failing(2, findings=2)))
            assert len(server.annotations[COMMIT, "quilate"]) == 2
            await self.end(connector, context, self.of(made.passing(3)))
        assert server.reports[COMMIT, "quilate"]["result"] == "PASSED"
        assert server.annotations[COMMIT, "quilate"] == {}

    @pytest.mark.asyncio
    async def test_an_unknown_verdict_is_no_passed_report(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.unknown()))
        assert server.reports[COMMIT, "quilate"]["result"] == "FAILED"

    @pytest.mark.asyncio
    async def test_places_outside_of_the_repository_get_no_annotation(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        places = ["", "/etc/passwd", "../x", "a\\b", "a\nb", "src/ok.py"]
        findings = tuple(made.finding(number + 1, path=path) for number, path in enumerate(places))
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(replace(made.failing(), findings=findings)))
        assert [each["path"] for each in server.annotations[COMMIT, "quilate"].values()] == ["src/ok.py"]

    @pytest.mark.asyncio
    async def test_without_the_setting_there_is_no_report(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector, annotations=False) as context:
            await self.end(connector, context, self.of(made.failing()))
        assert not server.reports

    @pytest.mark.asyncio
    async def test_a_long_context_is_shortened_to_a_key(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        name = f"quilate/{'project-' * 10}"
        async with self.context(server, connector, context=name) as context:
            await self.end(connector, context, self.of(made.failing()))
        assert server.state(COMMIT, name) == "FAILED"
        [(_, key)] = server.reports
        assert len(key) <= 40

    @pytest.mark.asyncio
    async def test_an_api_token_is_sent_with_its_account(self, connector: ForgeConnector) -> None:
        server = BitbucketServer(token=self.token, user="ann@example.org")
        with serving(server):
            async with self.context(server, connector, user="ann@example.org") as context:
                await self.end(connector, context, self.of(made.passing()))
            assert server.state(COMMIT) == "SUCCESSFUL"

    @pytest.mark.asyncio
    async def test_deleted_comments_are_not_taken(self, server: BitbucketServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing()))
            [first] = server.comments
            server.deleted.add(first)
            context.memory.clear()
            await self.end(connector, context, self.of(made.passing(2)))
        assert len(server.own(PULL)) == 2
        assert "PASS" in server.own(PULL)[1]

    @pytest.mark.asyncio
    async def test_further_pages_elsewhere_get_no_token(
        self, server: BitbucketServer, connector: ForgeConnector
    ) -> None:
        reply = Reply(document={"values": [], "next": "https://evil.test/comments?page=2"})
        server.faults.append(Fault(reply=reply, on="GET .*/comments"))
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError, match="another host"):
                await self.end(connector, context, self.of(made.failing()))
