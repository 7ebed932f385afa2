"""C05: the one comment of a request at every forge."""

import asyncio
from dataclasses import replace

import pytest

from quilate.connectors.forges.delivering import ForgeConnector
from quilate.connectors.forges.report import State
from quilate.deliveries.connector import DeliveryError
from tests.connectors.forges.cases_base import MARKER, PULL, ForgeCases
from tests.support import connectors as made
from tests.support.connectors import COMMIT, EVIL, CrashError
from tests.support.forge_servers.server import Fault, ForgeServer, Reply


class CommentCases(ForgeCases):
    """The comment."""

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
