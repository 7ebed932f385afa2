"""C05: what every forge connector does; each provider's test file runs these cases against its server."""

import json
from dataclasses import replace

import pytest

from quilate.connectors.forges.delivering import ForgeConnector
from quilate.deliveries.catalog import settings_of
from quilate.deliveries.connector import ConnectorKind, DeliveryError, OutcomeKind
from quilate.domain.errors import ConfigurationError
from tests.connectors.forges.cases_of_comments import CommentCases
from tests.connectors.forges.cases_of_errors import ErrorCases
from tests.connectors.forges.cases_of_people import PeopleCases
from tests.connectors.forges.cases_of_statuses import StatusCases
from tests.support import connectors as made
from tests.support.connectors import COMMIT
from tests.support.forge_servers.server import ForgeServer


class ForgeContract(StatusCases, CommentCases, PeopleCases, ErrorCases):
    """All cases."""

    @pytest.mark.asyncio
    @pytest.mark.parametrize("case", ["other event", "other forge", "other repository", "no commit", "dirty tree"])
    async def test_other_things_are_left_alone(self, server: ForgeServer, connector: ForgeConnector, case: str) -> None:
        report = self.of(made.failing())
        assert report.trigger is not None
        other = "gitea" if self.type == "github" else "github"
        reports = {
            "other event": report,
            "other forge": replace(report, trigger=replace(report.trigger, provider=other)),
            "other repository": replace(
                report, trigger=replace(report.trigger, repository="acme/else", repository_id="1")
            ),
            "no commit": replace(report, trigger=None, revision=""),
            "dirty tree": replace(report, subject_kind="tree"),
        }
        async with self.context(server, connector) as context:
            told = context.learn(reports[case])
            event = made.other_event() if case == "other event" else made.finished_event(told)
            outcome = await connector.deliver(event, context)
        assert outcome.kind is OutcomeKind.NOTHING_TO_DO
        assert not server.changes

    @pytest.mark.asyncio
    async def test_a_dry_run_changes_nothing(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector, dry_run=True) as context:
            outcome = await self.end(connector, context, self.of(made.failing()))
            recorded = context.http.recorded
        assert not server.changes
        assert {request.method for request in server.requests} <= {"GET"}
        assert outcome.summary.startswith("would have")
        assert not context.memory
        assert any(COMMIT in request.url or COMMIT in request.body.decode() for request in recorded)
        shown = json.dumps([[request.url, dict(request.headers), request.body.decode()] for request in recorded])
        assert not any(secret in shown for secret in self.secrets().values())

    @pytest.mark.asyncio
    @pytest.mark.parametrize("dry_run", [False, True])
    async def test_a_test_delivery_changes_nothing(
        self, server: ForgeServer, connector: ForgeConnector, *, dry_run: bool
    ) -> None:
        async with self.context(server, connector, dry_run=dry_run) as context:
            outcome = await connector.probe(context)
        assert made.REPOSITORY in outcome.summary
        assert not server.changes

    @pytest.mark.asyncio
    async def test_a_test_delivery_finds_what_is_missing(self, server: ForgeServer, connector: ForgeConnector) -> None:
        server.may_write = False
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError) as failed:
                await connector.probe(context)
        assert failed.value.permanent
        assert failed.value.next_step

    @pytest.mark.parametrize(
        "wrong",
        [
            {"repository": "acme/../fraud"},
            {"repository": "fraud"},
            {"repository": "acme/fraud?x=1"},
            {"base_url": "ftp://forge.test"},
            {"base_url": "https://user@forge.test/api"},
            {"token": "abc"},
        ],
    )
    def test_settings_that_cannot_be_right_are_refused(self, connector: ForgeConnector, wrong: dict[str, str]) -> None:
        given = {"repository": made.REPOSITORY, "base_url": "https://forge.test/api", **wrong}
        with pytest.raises(ConfigurationError):
            settings_of(connector, given)

    def test_it_says_what_it_is(self, connector: ForgeConnector) -> None:
        assert connector.type == self.type
        assert connector.kind is ConnectorKind.FORGE
        assert connector.summary
        assert connector.secrets
