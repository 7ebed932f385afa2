"""The client: one object, one connection pool, everything that the API offers to programs."""

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any, Self

from quilate.client.blueprints import Blueprints
from quilate.client.catalogue import Archives, Catalogue
from quilate.client.governance import Schedules, Waivers
from quilate.client.inbound import Events
from quilate.client.model import Me, NewToken, Project
from quilate.client.outbound import Connections, Deliveries
from quilate.client.pages import items_of
from quilate.client.runs import Runs
from quilate.client.scripts import Executions, Scripts
from quilate.client.transport import Connection, Transport, path_of


class Projects:
    """The projects that the caller may read."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self) -> Iterator[Project]:
        """Yield projects in the order of their creation."""
        return items_of(self._transport, path_of("projects"), Project)

    def get(self, project: str) -> Project:
        """Return a project.

        Raises:
            NotFoundError: There is none of that slug, or the caller may not know of it.
        """
        return self._transport.convert(self._transport.request("GET", path_of("projects", project)), Project)

    def create(self, slug: str, name: str, **settings: Any) -> Project:
        """Create a project.

        Args:
            slug: Its name in addresses.
            name: Its name for people.
            settings: ``repository_url``, ``protected_branch`` and others as the API documents them.

        Raises:
            ForbiddenError: The caller does not administer the installation.
            ConflictError: The slug is taken.
        """
        answer = self._transport.request("POST", path_of("projects"), json={"slug": slug, "name": name, **settings})
        return self._transport.convert(answer, Project)


class Audit:
    """The audit log."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def checkpoint(self) -> str:
        """Return the newest signed checkpoint, a C2SP signed note: size and root of the log."""
        answer = self._transport.request("GET", path_of("audit", "checkpoint"), headers={"Accept": "text/plain"})
        return answer.text


class Client:
    """Speaks to one service; use it as a context manager. Safe for threads.

    Args:
        url: Address of the service, for example ``https://quilate.example.org``.
        token: API token; empty in the single-user mode, or where ``login`` follows.
        timeout_seconds: How long one answer may take to begin.
        patience_seconds: How long requests that are safe to repeat are repeated while the service is away, has a full
            queue or limits the rate.
        certificates: File of certificate authorities instead of the machine's own.

    Raises:
        ConfigurationError: The address is none, or the token would cross a network unencrypted.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str = "",
        timeout_seconds: float = 30.0,
        patience_seconds: float = 60.0,
        certificates: str = "",
    ) -> None:
        self._transport = Transport(
            Connection(
                url=url,
                token=token,
                timeout_seconds=timeout_seconds,
                patience_seconds=patience_seconds,
                certificates=certificates,
            )
        )
        self.projects = Projects(self._transport)
        self.runs = Runs(self._transport)
        self.blueprints = Blueprints(self._transport)
        self.waivers = Waivers(self._transport)
        self.schedules = Schedules(self._transport)
        self.events = Events(self._transport)
        self.connections = Connections(self._transport)
        self.deliveries = Deliveries(self._transport)
        self.scripts = Scripts(self._transport)
        self.executions = Executions(self._transport)
        self.archives = Archives(self._transport)
        self.datasets = Catalogue(self._transport, "dataset")
        self.models = Catalogue(self._transport, "model")
        self.audit = Audit(self._transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all connections; a login goes on until it expires, ``logout`` ends it."""
        self._transport.close()

    def login(self, email: str, password: str) -> None:
        """Log in; the login is kept alive by itself for as long as the service allows.

        Raises:
            ConfigurationError: The password would cross a network unencrypted.
            NotAuthenticatedError: E-mail address or password is wrong, or the next attempt has to wait.
        """
        self._transport.require_safe_address()
        answer = self._transport.request("POST", "/auth/login", json={"email": email, "password": password})
        tokens = self._transport.convert(answer, dict[str, Any])
        self._transport.log_in(str(tokens["access_token"]), str(tokens["refresh_token"]))

    def me(self) -> Me:
        """Return who the token or login is.

        Raises:
            NotAuthenticatedError: The service does not know the token, or it has ended.
        """
        return self._transport.convert(self._transport.request("GET", "/me"), Me)

    def exchange_identity(self, project: str, statement: str) -> str:
        """Return a short-lived access token for what a CI system states about a job.

        Args:
            project: The project that trusts the CI system.
            statement: The identity token that the CI system signed; it counts once.

        Raises:
            ServiceError: The statement is not valid, or no trust of the project takes it.
        """
        body = {"project": project, "subject_token": statement}
        answer = self._transport.request("POST", "/auth/oidc/exchange", json=body)
        return str(self._transport.convert(answer, dict[str, Any])["access_token"])

    def logout(self) -> None:
        """End the login."""
        if self._transport.refresh_token:
            body = {"refresh_token": self._transport.refresh_token}
            self._transport.request("POST", "/auth/logout", json=body)
        self._transport.log_in("", "")

    def create_token(
        self, name: str, scopes: Sequence[str], expires_in_days: int, project: str | None = None
    ) -> NewToken:
        """Create an API token; its secret is told only now.

        Args:
            name: What it is for.
            scopes: Permissions that it is limited to, for example ``run:submit``.
            expires_in_days: Days for which it is good.
            project: The one project that it is limited to, if any.
        """
        body = {"name": name, "scopes": list(scopes), "expires_in_days": expires_in_days, "project": project}
        return self._transport.convert(self._transport.request("POST", "/me/tokens", json=body), NewToken)
