"""C05: verdicts at GitLab."""

from collections.abc import Mapping
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
from tests.support.forge_servers.gitlab import GitLabServer
from tests.support.forge_servers.server import Fault, Reply


class TestGitLab(ForgeContract):
    """The shared cases, and what only GitLab has."""

    type: ClassVar[str] = "gitlab"
    words: ClassVar[Mapping[State, str]] = {
        State.PENDING: "pending",
        State.PASSED: "success",
        State.FAILED: "failed",
        State.UNKNOWN: "failed",
        State.SUPERSEDED: "canceled",
    }
    roles: ClassVar[Mapping[str, Role | None]] = {
        "owner": Role.REVIEWER,
        "maintainer": Role.REVIEWER,
        "developer": Role.DEVELOPER,
        "reporter": None,
        "guest": None,
        "blocked maintainer": None,
    }
    longest: ClassVar[int] = 900_000

    def make_server(self) -> GitLabServer:
        return GitLabServer(token=self.token)

    @pytest.mark.asyncio
    async def test_another_refused_transition_is_a_failure(
        self, server: GitLabServer, connector: ForgeConnector
    ) -> None:
        reply = Reply(status=400, document={"message": "Cannot transition status via :drop from :skipped"})
        server.faults.append(Fault(reply=reply, on="POST .*/statuses/"))
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError) as failed:
                await self.end(connector, context, self.of(made.failing()))
        assert failed.value.permanent
        assert ":drop" in failed.value.message

    @pytest.mark.asyncio
    async def test_a_project_in_groups_of_groups_is_reached(
        self, server: GitLabServer, connector: ForgeConnector
    ) -> None:
        server.repository = "acme/models/fraud"
        async with self.context(server, connector, repository=server.repository) as context:
            await connector.deliver(made.finished_event(context.learn(made.passing(trigger=None))), context)
        assert server.state(COMMIT) == "success"

    @pytest.mark.asyncio
    async def test_a_token_that_may_only_read_is_found_by_the_test_delivery(
        self, server: GitLabServer, connector: ForgeConnector
    ) -> None:
        server.scopes = ["read_api"]
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError, match="may not set statuses"):
                await connector.probe(context)

    @pytest.mark.asyncio
    async def test_further_pages_elsewhere_get_no_token(self, server: GitLabServer, connector: ForgeConnector) -> None:
        reply = Reply(document=[], headers={"link": '<https://evil.test/notes?page=2>; rel="next"'})
        server.faults.append(Fault(reply=reply, on="GET .*/notes"))
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError, match="another host"):
                await self.end(connector, context, self.of(made.failing()))
        assert server.own(PULL) == []
