"""C05: what a commit says at every forge."""

from dataclasses import replace

import pytest

from quilate.connectors.forges.delivering import ForgeConnector
from quilate.connectors.forges.report import State
from quilate.deliveries.connector import OutcomeKind, RunReport
from tests.connectors.forges.cases_base import PULL, ForgeCases
from tests.support import connectors as made
from tests.support.connectors import COMMIT, OLD_COMMIT
from tests.support.forge_servers.server import ForgeServer


class StatusCases(ForgeCases):
    """What a commit says."""

    @pytest.mark.asyncio
    async def test_a_run_is_pending_and_then_a_success(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            assert server.state(COMMIT) == self.words[State.PENDING]
            outcome = await self.end(connector, context, self.of(made.passing()))
        assert server.state(COMMIT) == self.words[State.PASSED]
        assert outcome.kind is OutcomeKind.DELIVERED
        assert COMMIT[:12] in outcome.summary

    @pytest.mark.asyncio
    async def test_a_rejection_is_a_failure_that_says_why(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing()))
        assert server.state(COMMIT) == self.words[State.FAILED]
        assert "FAIL: fraud failed: lint has 3 findings" in server.description(COMMIT)

    @pytest.mark.asyncio
    async def test_an_unknown_verdict_is_no_success(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.unknown()))
        assert server.state(COMMIT) == self.words[State.UNKNOWN] != self.words[State.PASSED]
        assert "UNKNOWN" in server.description(COMMIT)

    @pytest.mark.asyncio
    async def test_a_run_without_a_verdict_is_no_success(self, server: ForgeServer, connector: ForgeConnector) -> None:
        partial = made.queued(status="succeeded", headline="fraud passed its checks; a partial run has no verdict")
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(partial))
        assert server.state(COMMIT) == self.words[State.UNKNOWN]

    @pytest.mark.asyncio
    async def test_a_late_beginning_does_not_hide_the_end(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.passing()))
            await self.begin(connector, context, self.of(made.passing()))
        assert server.state(COMMIT) == self.words[State.PASSED]

    @pytest.mark.asyncio
    async def test_a_repeated_delivery_changes_nothing(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            for _ in range(2):
                await self.begin(connector, context, self.of(made.queued()))
            for _ in range(2):
                await self.end(connector, context, self.of(made.failing()))
        assert server.state(COMMIT) == self.words[State.FAILED]
        assert len(server.own(PULL)) == 1

    @pytest.mark.asyncio
    async def test_a_superseded_run_says_so_on_its_own_commit(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.passing(2)))
            before = server.own(PULL)
            await self.end(connector, context, self.of(made.superseded(1)))
        assert server.state(OLD_COMMIT) == self.words[State.SUPERSEDED]
        assert "superseded" in server.description(OLD_COMMIT)
        assert server.state(COMMIT) == self.words[State.PASSED]
        assert server.own(PULL) == before

    @pytest.mark.asyncio
    async def test_a_superseded_run_of_the_same_commit_hides_nothing(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        old, new = self._same_commit()
        async with self.context(server, connector) as context:
            await self.begin(connector, context, new)
            outcome = await self.end(connector, context, old)
            assert server.state(COMMIT) == self.words[State.PENDING]
            await self.end(connector, context, replace(made.passing(2), trigger=new.trigger))
        assert outcome.kind is OutcomeKind.NOTHING_TO_DO
        assert server.state(COMMIT) == self.words[State.PASSED]

    def _same_commit(self) -> tuple[RunReport, RunReport]:
        old = made.superseded(1, revision=COMMIT, trigger=made.trigger())
        new = made.queued(2)
        assert old.submitted_at is not None
        earlier = old.submitted_at.replace(hour=8)
        return self.of(replace(old, submitted_at=earlier)), self.of(new)

    @pytest.mark.asyncio
    async def test_an_older_run_that_ends_later_takes_nothing_back(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        new = self.of(made.passing(2))
        assert new.submitted_at is not None
        old = self.of(replace(made.failing(1), submitted_at=new.submitted_at.replace(hour=8)))
        async with self.context(server, connector) as context:
            await self.end(connector, context, new)
            await self.end(connector, context, old)
        assert server.state(COMMIT) == self.words[State.PASSED]
        assert len(server.own(PULL)) == 1
        assert "PASS" in server.own(PULL)[0]

    @pytest.mark.asyncio
    async def test_the_context_is_the_status_name(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector, context="quilate/fraud") as context:
            await self.end(connector, context, self.of(made.passing()))
        assert server.state(COMMIT, "quilate/fraud") == self.words[State.PASSED]
        assert not server.state(COMMIT, "quilate")

    @pytest.mark.asyncio
    async def test_a_shortened_commit_is_completed(self, server: ForgeServer, connector: ForgeConnector) -> None:
        report = self.of(made.passing())
        assert report.trigger is not None
        short = replace(report, trigger=replace(report.trigger, commit=COMMIT[:12]))
        async with self.context(server, connector) as context:
            await self.end(connector, context, short)
        assert server.state(COMMIT) == self.words[State.PASSED]
