"""C05: what every forge connector does; each provider's test file runs these cases against its server."""

import asyncio
import json
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
from quilate.deliveries.connector import ConnectorKind, DeliveryError, Outcome, OutcomeKind, RunReport
from quilate.domain.errors import ConfigurationError
from tests.support import connectors as made
from tests.support.connectors import COMMIT, EVIL, OLD_COMMIT, CrashError, MemoryContext
from tests.support.forge_servers.server import Fault, ForgeServer, Reply
from tests.support.servers import serving

PULL = 12
MARKER = "quilate:comment:fraud"
PAGE = Reply(status=200, raw=b"<html>Sign in</html>", content_type="text/html")


class ForgeContract:
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

    # What a commit says -------------------------------------------------------------------------------------------

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

    # The comment --------------------------------------------------------------------------------------------------

    @pytest.mark.asyncio
    async def test_one_comment_is_edited_in_place(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            assert server.own(PULL) == []
            await self.end(connector, context, self.of(made.failing(1, what_if="it would pass")))
            first = server.own(PULL)
            await self.end(connector, context, self.of(made.passing(2)))
        assert len(first) == len(server.own(PULL)) == 1
        assert MARKER in first[0].splitlines()[0]
        for said in ("FAIL", "limit 0", "it would pass", "E999", "lint", f"{COMMIT[:12]}", str(made.run_id(1))):
            assert said in first[0]
        assert "PASS" in server.own(PULL)[0]
        assert "FAIL" not in server.own(PULL)[0]

    @pytest.mark.asyncio
    async def test_a_delivery_after_a_crash_writes_no_second_comment(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            context.crashes_on = "comment:"
            with pytest.raises(CrashError):
                await self.end(connector, context, self.of(made.failing()))
            await self.end(connector, context, self.of(made.failing()))
        assert len(server.own(PULL)) == 1

    @pytest.mark.asyncio
    async def test_a_comment_whose_answer_was_lost_is_found(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        server.faults.append(
            Fault(reply=Reply(status=502, raw=b""), on="POST .*(comments|notes)$", times=1, after=True)
        )
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError) as failed:
                await self.end(connector, context, self.of(made.failing()))
            assert not failed.value.permanent
            await self.end(connector, context, self.of(made.failing()))
        assert len(server.own(PULL)) == 1

    @pytest.mark.asyncio
    async def test_a_comment_is_found_behind_many_others(self, server: ForgeServer, connector: ForgeConnector) -> None:
        for number in range(120):
            server.add_comment(PULL, f"comment {number}")
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing()))
            for number in range(120):
                server.add_comment(PULL, f"another {number}")
            context.memory.clear()
            await self.end(connector, context, self.of(made.passing(2)))
        assert len(server.own(PULL)) == 1
        assert "PASS" in server.own(PULL)[0]

    @pytest.mark.asyncio
    async def test_a_marker_that_somebody_else_wrote_is_not_taken(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        forged = server.add_comment(PULL, f"<!-- {MARKER} -->\n[//]: # ({MARKER})\nPASS")
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing()))
        assert server.comments[forged].body.endswith("PASS")
        assert "FAIL" in server.own(PULL)[0]

    @pytest.mark.asyncio
    async def test_a_comment_that_was_deleted_is_written_anew(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing()))
            server.comments.clear()
            await self.end(connector, context, self.of(made.passing(2)))
        assert len(server.own(PULL)) == 1

    @pytest.mark.asyncio
    async def test_two_runs_at_once_leave_one_comment(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await asyncio.gather(
                self.end(connector, context, self.of(made.failing(1))),
                self.end(connector, context, self.of(made.failing(2))),
            )
            await self.end(connector, context, self.of(made.failing(3)))
        assert len(server.own(PULL)) == 1

    @pytest.mark.asyncio
    async def test_without_the_setting_there_is_no_comment(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector, comment=False) as context:
            await self.end(connector, context, self.of(made.failing()))
        assert not server.comments
        assert server.state(COMMIT) == self.words[State.FAILED]

    @pytest.mark.asyncio
    async def test_a_push_gets_no_comment(self, server: ForgeServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing(), number=None))
        assert not server.comments
        assert server.state(COMMIT) == self.words[State.FAILED]

    @pytest.mark.asyncio
    async def test_long_reports_keep_to_the_limits(self, server: ForgeServer, connector: ForgeConnector) -> None:
        checks = tuple(made.check(f"check-{number}", "fail", reason="r" * 900) for number in range(300))
        findings = tuple(made.finding(each + 1, message="ä" * 900, path=f"src/{each}.py") for each in range(1_000))
        report = replace(
            made.failing(),
            checks=checks,
            findings=findings,
            findings_total=5_000,
            headline="h" * 5_000,
            reasons=["w" * 5_000] * 100,
            waivers=["x" * 500] * 200,
        )
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(report))
        [body] = server.own(PULL)
        assert 1_000 < len(body) <= self.longest
        assert "5000 findings" in body
        assert str(report.id) in body

    @pytest.mark.asyncio
    async def test_hostile_text_is_shown_and_does_nothing(self, server: ForgeServer, connector: ForgeConnector) -> None:
        evil = [EVIL, "/close", f"/merge {EVIL}", "`@ann`", "[a](https://evil.test)", "www.evil.test !4 GH-7 $1 %2"]
        report = replace(
            made.failing(),
            headline="/close @everyone",
            reasons=evil,
            next_steps=evil,
            checks=[made.check(EVIL, EVIL, reason=each, url="javascript:alert(1)") for each in evil],
            findings=[made.finding(1, message=each, path=each, rule=each, fix=each) for each in evil],
            waivers=evil,
            what_if=EVIL,
            blueprint=EVIL,
        )
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(report))
        first, _, rest = server.own(PULL)[0].partition("\n\n")
        assert MARKER in first
        for forbidden in (
            "<!--",
            "<img",
            "@everyone",
            "@ann",
            "](javascript",
            "](https://evil",
            "https://evil",
            "www.e",
        ):
            assert forbidden not in rest
        assert "`" not in rest
        assert not any(line.lstrip(" >-*").startswith("/") for line in rest.splitlines())
        assert "&#60;img" in rest

    # Errors -------------------------------------------------------------------------------------------------------

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

    # What is none of its business ---------------------------------------------------------------------------------

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

    # Dry run and test delivery ------------------------------------------------------------------------------------

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
