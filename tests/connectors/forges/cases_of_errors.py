"""C05: what every forge connector makes of faults."""

from dataclasses import replace

import pytest

from quilate.connectors.forges.delivering import ForgeConnector
from quilate.connectors.forges.report import State
from quilate.deliveries.connector import DeliveryError, OutcomeKind
from tests.connectors.forges.cases_base import PAGE, PULL, ForgeCases
from tests.support import connectors as made
from tests.support.connectors import COMMIT
from tests.support.forge_servers.server import Fault, ForgeServer, Reply


class ErrorCases(ForgeCases):
    """Faults."""

    async def _fails(self, server: ForgeServer, connector: ForgeConnector, *faults: Fault) -> DeliveryError:
        server.faults.extend(faults)
        async with self.context(server, connector) as context:
            context.http.timeout = 0.5
            with pytest.raises(DeliveryError) as failed:
                await self.end(connector, context, self.of(made.failing()))
        said = f"{failed.value.message} {failed.value.next_step}"
        assert not any(secret in said for secret in self.secrets().values())
        return failed.value

    @pytest.mark.asyncio
    async def test_a_revoked_token_is_for_people(self, server: ForgeServer, connector: ForgeConnector) -> None:
        server.token = "another"  # noqa: S105 - no password
        failed = await self._fails(server, connector, *self.revocations(server))
        assert failed.permanent
        assert "401" in failed.message
        assert "token" in failed.next_step

    def revocations(self, server: ForgeServer) -> list[Fault]:
        """Return what else a revoked token takes."""
        del server
        return []

    @pytest.mark.asyncio
    async def test_a_missing_permission_is_named(self, server: ForgeServer, connector: ForgeConnector) -> None:
        server.may_write = False
        failed = await self._fails(server, connector)
        assert failed.permanent
        assert "403" in failed.message
        assert "grant" in failed.next_step

    @pytest.mark.asyncio
    async def test_a_limited_rate_is_waited_for(self, server: ForgeServer, connector: ForgeConnector) -> None:
        failed = await self._fails(server, connector, Fault(reply=self.limited))
        assert not failed.permanent
        assert failed.retry_after_seconds is not None
        assert 10 < failed.retry_after_seconds <= 60

    @pytest.mark.asyncio
    async def test_a_limit_without_a_time_is_waited_for(self, server: ForgeServer, connector: ForgeConnector) -> None:
        failed = await self._fails(server, connector, Fault(reply=Reply(status=429, document={"message": "slow"})))
        assert not failed.permanent
        assert failed.retry_after_seconds == 60

    @pytest.mark.asyncio
    async def test_a_page_in_place_of_json_is_tried_again(self, server: ForgeServer, connector: ForgeConnector) -> None:
        failed = await self._fails(server, connector, Fault(reply=PAGE))
        assert not failed.permanent
        assert "text/html" in failed.message

    @pytest.mark.asyncio
    async def test_json_of_another_kind_is_tried_again(self, server: ForgeServer, connector: ForgeConnector) -> None:
        server.faults.append(Fault(reply=Reply(document="maintenance"), on="GET .*(comments|notes)"))
        failed = await self._fails(server, connector)
        assert not failed.permanent

    @pytest.mark.asyncio
    @pytest.mark.parametrize("status", [500, 502, 503])
    async def test_a_broken_server_is_tried_again(
        self, server: ForgeServer, connector: ForgeConnector, status: int
    ) -> None:
        broken = Reply(status=status, raw=b"<h1>Oops</h1>", content_type="text/html", headers={"retry-after": "5"})
        failed = await self._fails(server, connector, Fault(reply=broken))
        assert not failed.permanent
        assert failed.retry_after_seconds == 5
        assert str(status) in failed.message

    @pytest.mark.asyncio
    async def test_silence_is_tried_again(self, server: ForgeServer, connector: ForgeConnector) -> None:
        failed = await self._fails(server, connector, Fault(reply=None))
        assert not failed.permanent
        assert "did not answer" in failed.message

    @pytest.mark.asyncio
    @pytest.mark.parametrize("target", ["http://169.254.169.254/latest/meta-data", "https://evil.test/api"])
    async def test_a_redirect_elsewhere_is_not_followed(
        self, server: ForgeServer, connector: ForgeConnector, target: str
    ) -> None:
        failed = await self._fails(server, connector, Fault(reply=Reply(status=307, headers={"location": target})))
        assert failed.permanent
        assert "sends requests on" in failed.message

    @pytest.mark.asyncio
    async def test_a_commit_that_is_gone_is_for_people(self, server: ForgeServer, connector: ForgeConnector) -> None:
        server.commits.clear()
        failed = await self._fails(server, connector)
        assert failed.permanent
        assert "commit" in failed.message
        assert "force-pushed" in failed.next_step

    @pytest.mark.asyncio
    async def test_a_forks_commit_may_be_missing_and_the_comment_is_written(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        server.commits.clear()
        async with self.context(server, connector) as context:
            outcome = await self.end(connector, context, self.of(made.failing(), fork=True))
        assert len(server.own(PULL)) == 1
        assert "fork" in outcome.summary

    @pytest.mark.asyncio
    async def test_a_repository_that_is_not_found_is_for_people(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        server.repository, server.repository_id = "acme/other", "4712"
        failed = await self._fails(server, connector)
        assert failed.permanent
        assert "404" in failed.message
        assert "repository" in failed.next_step

    @pytest.mark.asyncio
    async def test_a_renamed_repository_is_still_told(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            server.rename("acme/fraud-scoring")
            report = self.of(made.passing())
            assert report.trigger is not None
            renamed = replace(report, trigger=replace(report.trigger, repository="acme/fraud-scoring"))
            outcome = await self.end(connector, context, renamed)
        assert outcome.kind is OutcomeKind.DELIVERED
        assert server.state(COMMIT) == self.words[State.PASSED]
        assert len(server.own(PULL)) == 1

    @pytest.mark.asyncio
    async def test_a_missing_secret_is_for_people(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            context.secrets = {}
            with pytest.raises(DeliveryError) as failed:
                await self.end(connector, context, self.of(made.failing()))
        assert failed.value.permanent
        assert not server.requests
