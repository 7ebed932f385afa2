"""C05: verdicts at GitHub, by a fine-grained token and by a GitHub App."""

import base64
import gzip
import json
import time
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from quilate.accounts.model import Role
from quilate.connectors.forges.delivering import ForgeConnector
from quilate.connectors.forges.report import State
from quilate.deliveries.connector import DeliveryError
from tests.connectors.forges.cases_base import PULL
from tests.connectors.forges.contract import ForgeContract
from tests.support import connectors as made
from tests.support.connectors import COMMIT, OLD_COMMIT
from tests.support.forge_servers.github import APP_ID, INSTALLATION, GitHubServer
from tests.support.forge_servers.server import Fault, ForgeServer, Reply


@cache
def app_keys() -> tuple[str, bytes]:
    """Return an app's private and public key."""
    key = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.decode(), public


class _GitHub(ForgeContract):
    """What holds with a token and with an app."""

    type: ClassVar[str] = "github"
    roles: ClassVar[Mapping[str, Role | None]] = {
        "admin": Role.REVIEWER,
        "maintain": Role.REVIEWER,
        "write": Role.DEVELOPER,
        "triage": None,
        "read": None,
        "owner": None,  # A role of the organisation's own may have any name.
        "none": None,
    }
    longest: ClassVar[int] = 65_536

    @pytest.mark.asyncio
    async def test_a_spent_quota_is_waited_for_until_it_is_reset(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        headers = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()) + 600)}
        limited = Reply(status=403, document={"message": "API rate limit exceeded"}, headers=headers)
        failed = await self._fails(server, connector, Fault(reply=limited))
        assert not failed.permanent
        assert 500 < (failed.retry_after_seconds or 0) <= 600

    @pytest.mark.asyncio
    async def test_the_limit_on_bursts_is_waited_for(self, server: GitHubServer, connector: ForgeConnector) -> None:
        limited = Reply(status=403, document={"message": "You have exceeded a secondary rate limit."})
        failed = await self._fails(server, connector, Fault(reply=limited))
        assert failed.retry_after_seconds == 60

    @pytest.mark.asyncio
    async def test_further_pages_elsewhere_get_no_token(self, server: GitHubServer, connector: ForgeConnector) -> None:
        reply = Reply(document=[], headers={"link": '<https://evil.test/comments?page=2>; rel="next"'})
        server.faults.append(Fault(reply=reply, on="GET .*/comments"))
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError, match="another host"):
                await self.end(connector, context, self.of(made.failing()))
        assert server.own(PULL) == []

    @pytest.mark.asyncio
    async def test_findings_are_uploaded_to_code_scanning_once(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector, upload_sarif=True) as context:
            for _ in range(2):
                outcome = await self.end(connector, context, self.of(made.failing(1)))
            await self.end(connector, context, self.of(made.failing(2), number=None))
        assert "set status" in outcome.summary
        first, second = server.sarifs
        assert (first["commit_sha"], first["ref"]) == (COMMIT, f"refs/pull/{PULL}/head")
        assert second["ref"] == "refs/heads/main"
        log = json.loads(gzip.decompress(base64.b64decode(first["sarif"])))
        assert [each["ruleId"] for each in log["runs"][0]["results"]] == ["ruff/E501", "ruff/E502", "ruff/E503"]

    @pytest.mark.asyncio
    async def test_nothing_is_uploaded_without_a_decision(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector, upload_sarif=True) as context:
            await self.begin(connector, context, self.of(made.queued()))
            await self.end(connector, context, self.of(made.superseded()))
            await self.end(connector, context, self.of(replace(made.unknown(2), decision_digest="")))
        assert server.sarifs == []

    @pytest.mark.asyncio
    async def test_code_scanning_that_is_not_bought_does_not_take_the_status(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        refused = Reply(status=403, document={"message": "Advanced Security must be enabled"})
        server.faults.append(Fault(reply=refused, on="sarifs"))
        async with self.context(server, connector, upload_sarif=True) as context:
            with pytest.raises(DeliveryError, match="Advanced Security") as failed:
                await self.end(connector, context, self.of(made.failing()))
        assert failed.value.permanent
        assert server.state(COMMIT) == "failure"
        assert len(server.own(PULL)) == 1


class TestGitHubToken(_GitHub):
    """With a fine-grained token there is a commit status."""

    words: ClassVar[Mapping[State, str]] = {
        State.PENDING: "pending",
        State.PASSED: "success",
        State.FAILED: "failure",
        State.UNKNOWN: "error",
        State.SUPERSEDED: "error",
    }

    def make_server(self) -> GitHubServer:
        return GitHubServer(token=self.token)

    @pytest.mark.asyncio
    async def test_a_token_makes_no_check_run(self, server: GitHubServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            await self.end(connector, context, self.of(made.failing()))
        assert not server.checks
        assert server.statuses


class TestGitHubApp(_GitHub):
    """With an app there is a check run with annotations."""

    words: ClassVar[Mapping[State, str]] = {
        State.PENDING: "queued",
        State.PASSED: "success",
        State.FAILED: "failure",
        State.UNKNOWN: "action_required",
        State.SUPERSEDED: "cancelled",
    }

    def make_server(self) -> GitHubServer:
        return GitHubServer(public_key=app_keys()[1])

    def secrets(self) -> dict[str, str]:
        return {"private_key": app_keys()[0]}

    def further_settings(self) -> dict[str, Any]:
        return {"app_id": APP_ID}

    def revocations(self, server: Any) -> list[Fault]:
        server.public_key = b""
        return []

    @pytest.mark.asyncio
    async def test_a_missing_permission_is_named(self, server: ForgeServer, connector: ForgeConnector) -> None:
        assert isinstance(server, GitHubServer)
        server.granted["checks"] = "read"
        failed = await self._fails(server, connector)
        assert failed.permanent
        assert "permissions requested are not granted" in failed.message

    @pytest.mark.asyncio
    async def test_a_token_is_of_one_repository_and_few_rights_and_used_again(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            await self.end(connector, context, self.of(made.passing()))
        wanted = {"repositories": ["fraud"], "permissions": {"checks": "write", "pull_requests": "write"}}
        assert server.issued == [wanted]

    @pytest.mark.asyncio
    async def test_a_token_that_ends_soon_is_replaced(self, server: GitHubServer, connector: ForgeConnector) -> None:
        server.expires_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 200))
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            await self.end(connector, context, self.of(made.passing()))
        assert len(server.issued) == 2

    @pytest.mark.asyncio
    async def test_a_kept_token_that_was_revoked_is_replaced(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            server.installation_tokens.clear()
            await self.end(connector, context, self.of(made.passing()))
        assert server.state(COMMIT) == "success"

    @pytest.mark.asyncio
    async def test_a_token_of_a_renamed_repository_is_asked_for_by_id(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        server.expires_at = time.strftime("%Y-%m-%dT%H:%M:%SZ")
        async with self.context(server, connector, installation_id=INSTALLATION) as context:
            await self.begin(connector, context, self.of(made.queued()))
            server.rename("acme/fraud-scoring")
            await self.end(connector, context, self.of(made.passing()))
        assert server.issued[-1]["repository_ids"] == [4711]
        assert server.state(COMMIT) == "success"

    @pytest.mark.asyncio
    async def test_a_given_installation_is_not_looked_up(self, server: GitHubServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector, installation_id=INSTALLATION) as context:
            await self.end(connector, context, self.of(made.passing()))
        assert not [each for each in server.requests if each.path.endswith("/installation")]
        assert server.state(COMMIT) == "success"

    @pytest.mark.asyncio
    async def test_findings_become_annotations_in_batches(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            await self.end(connector, context, self.of(made.failing(findings=120)))
        [check] = server.checks.values()
        assert [each["start_line"] for each in check.annotations] == list(range(1, 121))
        assert sum(change.startswith("PATCH") and "check-runs" in change for change in server.changes) == 3
        assert check.fields["external_id"] == str(made.run_id())
        assert check.fields["details_url"].endswith(str(made.run_id()))

    @pytest.mark.asyncio
    async def test_annotations_are_not_doubled_after_a_failure(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued()))
            lost = Fault(reply=Reply(status=502, raw=b""), on="PATCH .*/check-runs/", times=1, after=True)
            server.faults.append(lost)
            with pytest.raises(DeliveryError):
                await self.end(connector, context, self.of(made.failing(findings=120)))
            await self.end(connector, context, self.of(made.failing(findings=120)))
        [check] = server.checks.values()
        assert [each["start_line"] for each in check.annotations] == list(range(1, 121))

    @pytest.mark.asyncio
    async def test_a_check_run_whose_answer_was_lost_is_found(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        server.faults.append(Fault(reply=Reply(status=502, raw=b""), on="POST .*/check-runs", times=1, after=True))
        async with self.context(server, connector) as context:
            with pytest.raises(DeliveryError):
                await self.begin(connector, context, self.of(made.queued()))
            await self.end(connector, context, self.of(made.passing()))
        assert len(server.checks) == 1
        assert server.state(COMMIT) == "success"

    @pytest.mark.asyncio
    async def test_a_check_of_an_older_run_is_completed_without_hiding_the_newer(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector) as context:
            await self.begin(connector, context, self.of(made.queued(1)))
            await self.begin(connector, context, self.of(made.queued(2)))
            old = self.of(made.superseded(1, revision=COMMIT, trigger=made.trigger()))
            await self.end(connector, context, old)
            await self.end(connector, context, self.of(made.passing(2)))
        assert [each.fields["conclusion"] for each in server.checks.values()] == ["cancelled", "success"]
        assert server.state(COMMIT) == "success"
        assert server.state(OLD_COMMIT) == ""

    @pytest.mark.asyncio
    async def test_without_the_setting_there_are_no_annotations(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        async with self.context(server, connector, annotations=False) as context:
            await self.end(connector, context, self.of(made.failing()))
        [check] = server.checks.values()
        assert check.annotations == []

    @pytest.mark.asyncio
    async def test_a_suspended_installation_is_for_people(
        self, server: GitHubServer, connector: ForgeConnector
    ) -> None:
        server.suspended = True
        failed = await self._fails(server, connector)
        assert failed.permanent
        assert "suspended" in failed.message

    @pytest.mark.asyncio
    async def test_a_key_that_is_none_is_for_people(self, server: GitHubServer, connector: ForgeConnector) -> None:
        async with self.context(server, connector) as context:
            context.secrets = {"private_key": "-----BEGIN nothing"}
            with pytest.raises(DeliveryError, match="private key") as failed:
                await self.end(connector, context, self.of(made.failing()))
        assert failed.value.permanent
        assert "BEGIN" not in failed.value.message
