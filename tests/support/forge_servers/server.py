"""What the servers of all forges share: requests are judged by published shapes, faults are planned by tests."""

import http.server
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.support.connectors import COMMIT, OLD_COMMIT, REPOSITORY
from tests.support.forge_servers.shapes import shapes_of
from tests.support.servers import QuietServer

PAGE = 100
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request as it arrived; ``path`` without the API's prefix and without its query."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered."""

    status: int = 200
    document: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"


@dataclass(slots=True, kw_only=True)
class Fault:
    """What happens in place of the answer, so many times, to requests whose method and path match.

    Attributes:
        reply: Answered instead; ``None`` to stay silent.
        on: Pattern over method and path.
        times: How often.
        after: The request is carried out before.
    """

    reply: Reply | None
    on: str = ".*"
    times: int = 1_000
    after: bool = False


@dataclass(slots=True, kw_only=True)
class Comment:
    """A comment of a request; ``ours``: the token's user wrote it."""

    id: int
    number: int
    body: str
    ours: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """A commit's status in the forge's own words."""

    commit: str
    name: str
    state: str
    description: str
    url: str


Route = Callable[[Request, re.Match[str]], Reply]


class ForgeServer(QuietServer):
    """One repository at one forge.

    Attributes:
        prefix: Where the API lies.
        harmless: Requests that change nothing whatever their method.
        requests: All that arrived.
        changes: Those that changed something, as method and path.
        violations: What was not of the published shape.
        faults: What a test has planned.
        people: What people may do, in the forge's own words, by the name that its events give them.
        tells_roles: The token may ask what somebody may do.
    """

    provider: ClassVar[str]
    prefix: ClassVar[str] = ""
    harmless: ClassVar[str] = r"/access_tokens\Z"
    daemon_threads = True

    def __init__(self, *, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        self.repository = REPOSITORY
        self.former: list[str] = []
        self.repository_id = "4711"
        self.commits = {COMMIT, OLD_COMMIT}
        self.may_write = True
        self.statuses: list[Status] = []
        self.comments: dict[int, Comment] = {}
        self.requests: list[Request] = []
        self.changes: list[str] = []
        self.violations: list[str] = []
        self.faults: list[Fault] = []
        self.people: dict[str, str] = {}
        self.tells_roles = True
        self._shapes = shapes_of(self.provider)
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._next = 100
        self._routes: list[tuple[str, str, Route]] = self.routes()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{self.prefix}"

    def routes(self) -> list[tuple[str, str, Route]]:
        """Return method, pattern of the path, and what answers."""
        raise NotImplementedError

    def admits(self, request: Request) -> bool:
        """Return whether the credentials are good."""
        raise NotImplementedError

    def refusal(self, status: int, message: str) -> Reply:
        """Return an error as the forge words it."""
        return Reply(status=status, document={"message": message})

    def moved(self, request: Request) -> Reply | None:
        """Return where a repository of a former name is now."""
        raise NotImplementedError

    def rename(self, name: str) -> None:
        """Give the repository another name."""
        self.former.append(self.repository)
        self.repository = name

    def state(self, commit: str, name: str = "quilate") -> str:
        """Return what a commit says last; empty for nothing."""
        return next((each.state for each in reversed(self.statuses) if (each.commit, each.name) == (commit, name)), "")

    def description(self, commit: str) -> str:
        """Return the line beside it."""
        return next((each.description for each in reversed(self.statuses) if each.commit == commit), "")

    def own(self, number: int) -> list[str]:
        """Return the bodies of the connection's own comments."""
        return [each.body for each in self.comments.values() if each.ours and each.number == number]

    def add_comment(self, number: int, body: str, *, ours: bool = False) -> int:
        """Write a comment, by default somebody else's."""
        with self._lock:
            self._next += 1
            self.comments[self._next] = Comment(id=self._next, number=number, body=body, ours=ours)
            return self._next

    def server_close(self) -> None:
        self._closing.set()
        super().server_close()

    def answer(self, request: Request) -> Reply | None:
        """Return the answer to a request; nothing to say nothing."""
        with self._lock:
            self.requests.append(request)
            fault = self._planned(request)
            if fault is None:
                return self._routed(request)
            if fault.after:
                self._routed(request)
            reply = fault.reply
        if reply is None:
            self._closing.wait(30)
        return reply

    def _planned(self, request: Request) -> Fault | None:
        for fault in self.faults:
            if fault.times and re.search(fault.on, f"{request.method} {request.path}"):
                fault.times -= 1
                return fault
        return None

    def _routed(self, request: Request) -> Reply:
        if not self.admits(request):
            return self.refusal(401, "Bad credentials")
        moved = self.moved(request)
        if moved is not None:
            return moved
        for method, pattern, route in self._routes:
            found = re.fullmatch(pattern, request.path)
            if method == request.method and found:
                return self._judged(request, lambda found=found, route=route: route(request, found))  # type: ignore[misc]
        return self.refusal(404, "Not Found")

    def _judged(self, request: Request, carry_out: Callable[[], Reply]) -> Reply:
        if request.method in {"POST", "PUT", "PATCH"}:
            fitting = [each for each in self._shapes if each.matches(request.method, request.path)]
            wrong = [problem for each in fitting for problem in each.problems(request.body)]
            if not fitting:
                wrong = [f"{request.method} {request.path} has no published shape"]
            if wrong:
                self.violations.extend(wrong)
                return self.refusal(422, wrong[0])
        reply = carry_out()
        if request.method in _CHANGING and reply.status < 300 and not re.search(self.harmless, request.path):
            self.changes.append(f"{request.method} {request.path}")
        return reply

    def paged(self, request: Request, members: list[Any], *, per_page: str = "per_page") -> Reply:
        """Return one page of a list, with ``Link`` to the next one."""
        size = min(int(request.query.get(per_page, "30")), PAGE)
        page = int(request.query.get("page", "1"))
        chosen = members[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(members):
            following = f"{self.base_url}{request.path}?{per_page}={size}&page={page + 1}"
            headers["link"] = f'<{following}>; rel="next", <{following}>; rel="last"'
        return Reply(document=chosen, headers=headers)


class _Handler(http.server.BaseHTTPRequestHandler):
    server: ForgeServer

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def _serve(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        content = self.rfile.read(length)
        parts = urlsplit(self.path)
        request = Request(
            method=self.command,
            path=parts.path.removeprefix(self.server.prefix),
            query={name: values[-1] for name, values in parse_qs(parts.query).items()},
            headers={name.lower(): value for name, value in self.headers.items()},
            body=json.loads(content) if content else None,
        )
        reply = self.server.answer(request)
        if reply is None:
            return
        body = reply.raw
        if body is None:
            body = b"" if reply.document is None else json.dumps(reply.document).encode()
        self.send_response(reply.status)
        self.send_header("content-type", reply.content_type)
        self.send_header("content-length", str(len(body)))
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve  # noqa: N815 - names that the base class calls
