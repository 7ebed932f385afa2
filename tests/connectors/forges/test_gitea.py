"""C05: verdicts at Gitea and Forgejo."""

from collections.abc import Mapping
from typing import ClassVar

from quilate.accounts.model import Role
from quilate.connectors.forges.report import State
from tests.connectors.forges.contract import ForgeContract
from tests.support.forge_servers.gitea import GiteaServer


class TestGitea(ForgeContract):
    """The shared cases; requests are judged by the descriptions of both Gitea and Forgejo."""

    type: ClassVar[str] = "gitea"
    words: ClassVar[Mapping[State, str]] = {
        State.PENDING: "pending",
        State.PASSED: "success",
        State.FAILED: "failure",
        State.UNKNOWN: "error",
        State.SUPERSEDED: "error",
    }
    roles: ClassVar[Mapping[str, Role | None]] = {
        "owner": Role.REVIEWER,
        "admin": Role.REVIEWER,
        "write": Role.DEVELOPER,
        "read": None,
        "none": None,
    }
    longest: ClassVar[int] = 65_535

    def make_server(self) -> GiteaServer:
        return GiteaServer(token=self.token)
