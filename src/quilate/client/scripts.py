"""Hosted scripts: versions pushed and activated, executions submitted, waited for and read."""

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from quilate.client.errors import NotFoundError, WaitTimeoutError
from quilate.client.pages import items_of
from quilate.client.transport import Body, Transport, path_of

_ENDED = frozenset({"completed", "failed", "cancelled", "timed_out"})
_EXPORT_ENDED = frozenset({"completed", "failed", "skipped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A script; ``active_semver`` is the version that executions use."""

    id: UUID
    name: str
    description: str = ""
    active: UUID | None = None
    active_semver: str | None = None
    latest: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptWarning:
    """What the validation remarked."""

    rule: str
    line: int
    column: int
    message: str
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptVersion:
    """A version of a script."""

    id: UUID
    number: int
    semver: str
    digest: str
    state: str
    privileged: bool = False
    quarantined: bool = False
    warnings: tuple[ScriptWarning, ...] = ()
    created_at: datetime | None = None
    created_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionData:
    """Where an input or output lies."""

    format: str
    size: int
    digest: str
    url: str
    inline: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionUsage:
    """What an execution has used."""

    wall_ms: float | None = None
    cpu_ms: float | None = None
    peak_memory_bytes: int | None = None
    fuel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputTarget:
    """Where an output is to go once its execution has completed.

    Attributes:
        dataset: Of the project; the output becomes a version of it.
        gate: A run judges this version.
        blueprint: By which the run judges; the project's own without it.
        url: ``s3``, ``gs`` or ``az`` address below which it is written.
    """

    dataset: str | None = None
    gate: bool = False
    blueprint: str | None = None
    url: str | None = None

    def query(self) -> dict[str, str | None]:
        """Return it as the API takes it."""
        return {
            "output_dataset": self.dataset,
            "output_gate": "true" if self.gate else None,
            "output_blueprint": self.blueprint,
            "output_url": self.url,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionExport:
    """What has become of an output that was to go somewhere."""

    state: str
    dataset: str | None = None
    version: int | None = None
    run: UUID | None = None
    url: str | None = None
    attempts: int = 0
    problem: str | None = None
    next_step: str | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.state in _EXPORT_ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """An execution; ``output`` is its result, where that is short JSON and was asked for.

    Attributes:
        erased: The erasure that took its input, output and console; ``None`` where none did.
    """

    id: UUID
    script: UUID
    version: UUID
    status: str
    submitted_at: datetime
    created_by: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    duration_ms: int | None = None
    usage: ExecutionUsage = field(default_factory=ExecutionUsage)
    engine: str | None = None
    sandbox_level: str | None = None
    attempts: int = 0
    dead_letter: bool = False
    input: ExecutionData | None = None
    output_data: ExecutionData | None = None
    parts: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None
    export: ExecutionExport | None = None
    erased: UUID | None = None
    output: Any = None

    @property
    def ended(self) -> bool:
        """Whether nothing more comes."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """What a script wrote to ``console``."""

    lines: tuple[str, ...] = ()
    truncated: bool = False


class Scripts:
    """Scripts of a project."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str, *, name: str | None = None) -> Iterator[Script]:
        """Yield scripts, newest first; ``name`` is part of the name."""
        return items_of(self._transport, path_of("projects", project, "scripts"), Script, {"name": name})

    def find(self, project: str, script: str) -> Script:
        """Return a script by its id or its whole name.

        Raises:
            NotFoundError: There is none.
        """
        if _is_id(script):
            answer = self._transport.request("GET", path_of("projects", project, "scripts", script))
            return self._transport.convert(answer, Script)
        for found in self.list(project, name=script):
            if found.name == script:
                return found
        detail = f"there is no script {script!r} in the project {project!r}"
        raise NotFoundError(404, {"detail": detail, "next_step": "quilate script list names them"})

    def create(self, project: str, name: str, *, description: str = "") -> Script:
        """Make a script without a version.

        Raises:
            ConflictError: The name is taken.
        """
        body = {"name": name, "description": description}
        answer = self._transport.request("POST", path_of("projects", project, "scripts"), json=body)
        return self._transport.convert(answer, Script)

    def push(self, project: str, script: UUID, source: str, **fields: Any) -> ScriptVersion:
        """Add a version.

        Args:
            project: The project's slug.
            script: To which script.
            source: The JavaScript.
            fields: ``semver``, ``shape``, ``engine``, ``limits``, ``input_schema``, ``activate`` and others as the API
                documents them.

        Raises:
            InvalidRequestError: The script is refused; ``errors`` name rule, line and column.
            ConflictError: The number is taken, or the schema breaks what the number promises.
        """
        path = path_of("projects", project, "scripts", str(script), "versions")
        answer = self._transport.request("POST", path, json={"source": source, **fields})
        return self._transport.convert(answer, ScriptVersion)

    def compose(
        self, project: str, name: str, steps: Iterable[tuple[UUID, str | None]], **fields: Any
    ) -> ScriptVersion:
        """Keep a pipeline as a version of the script ``name``.

        Args:
            project: The project's slug.
            name: Of the script that it becomes a version of; made where there is none.
            steps: Scripts with their versions, ``None`` for the active one, first to last.
            fields: ``semver``, ``activate``, ``description``, ``allow_breaking``.

        Raises:
            InvalidRequestError: The steps do not go together.
        """
        named = [{"script": str(script), "version": version} for script, version in steps]
        path = path_of("projects", project, "scripts", "compose")
        answer = self._transport.request("POST", path, json={"name": name, "steps": named, **fields})
        return self._transport.convert(answer, ScriptVersion)

    def versions(self, project: str, script: UUID) -> Iterator[ScriptVersion]:
        """Yield versions, newest first."""
        path = path_of("projects", project, "scripts", str(script), "versions")
        return items_of(self._transport, path, ScriptVersion)

    def activate(self, project: str, script: UUID, version: str) -> ScriptVersion:
        """Make a version the one that executions use."""
        path = path_of("projects", project, "scripts", str(script), "versions", version, "activate")
        return self._transport.convert(self._transport.request("PATCH", path), ScriptVersion)

    def rollback(self, project: str, script: UUID) -> ScriptVersion:
        """Make the version active again that was so before."""
        path = path_of("projects", project, "scripts", str(script), "rollback")
        return self._transport.convert(self._transport.request("POST", path), ScriptVersion)


class Executions:
    """Executions of a project's scripts."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def submit(  # noqa: PLR0913 - the parts of a submission
        self,
        project: str,
        script: UUID,
        data: bytes | Body,
        *,
        media_type: str = "application/json",
        version: str | None = None,
        output_format: str | None = None,
        target: OutputTarget | None = None,
        wait_seconds: float = 0.0,
        idempotency_key: str | None = None,
    ) -> Execution:
        """Queue an execution; the data goes as it is.

        Args:
            project: The project's slug.
            script: Which script.
            data: The data, or what gives it afresh for each try.
            media_type: How it is written.
            version: Which version; the active one without it.
            output_format: How the result is to be written.
            target: Where it is to go besides.
            wait_seconds: Answer with the end, where that comes within so many seconds.
            idempotency_key: The same key again gives the same execution.

        Raises:
            InvalidRequestError: The data is refused.
            TooManyRequestsError: The queue is full or the quota used up.
        """
        named = ("versions", version) if version is not None else ()
        path = path_of("projects", project, "scripts", str(script), *named, "executions")

        def once() -> Iterable[bytes]:
            return (data,) if isinstance(data, bytes) else data()

        answer = self._transport.request(
            "POST",
            path,
            query={
                "wait": wait_seconds or None,
                "output_format": output_format,
                **(target.query() if target is not None else {}),
            },
            headers={"Content-Type": media_type},
            body=once,
            idempotency_key=idempotency_key,
        )
        return self._transport.convert(answer, Execution)

    def get(self, project: str, execution: UUID | str) -> Execution:
        """Return an execution, its result with it where that is short JSON."""
        answer = self._transport.request("GET", path_of("projects", project, "executions", str(execution)))
        return self._transport.convert(answer, Execution)

    def list(self, project: str, *, script: UUID | None = None, status: str | None = None) -> Iterator[Execution]:
        """Yield executions, newest first."""
        query = {"script": str(script) if script is not None else None, "status": status}
        return items_of(self._transport, path_of("projects", project, "executions"), Execution, query)

    def wait(
        self, project: str, execution: UUID | str, *, timeout_seconds: float = 600.0, exported: bool = False
    ) -> Execution:
        """Return an execution once it has ended.

        Args:
            project: The project's slug.
            execution: Which one.
            timeout_seconds: How long.
            exported: Also wait until its output is where it was to go, or that was given up.

        Raises:
            WaitTimeoutError: It has not ended within the time.
        """
        end = time.monotonic() + timeout_seconds
        pause = 0.02
        while True:
            found = self.get(project, execution)
            under_way = exported and found.export is not None and not found.export.ended
            if found.ended and not under_way:
                return found
            if time.monotonic() + pause > end:
                state = "on its way to where it is to go" if found.ended else found.status
                raise WaitTimeoutError(
                    f"the execution {execution} is still {state} after {timeout_seconds:g} s",
                    next_step="wait longer, or look at it with quilate script logs",
                )
            time.sleep(pause)
            pause = min(pause * 1.5, 1.0)

    def output(self, project: str, execution: UUID | str) -> Iterator[bytes]:
        """Yield the result as it lies, piece by piece."""
        path = path_of("projects", project, "executions", str(execution), "output")
        with self._transport.stream(path, {"Accept": "*/*"}) as answer:
            yield from answer.iter_bytes()

    def console(self, project: str, execution: UUID | str) -> Console:
        """Return what the script wrote to ``console``; nothing where it wrote nothing."""
        path = path_of("projects", project, "executions", str(execution), "console")
        return self._transport.convert(self._transport.request("GET", path), Console)

    def cancel(self, project: str, execution: UUID | str) -> Execution:
        """End an execution that has not ended."""
        path = path_of("projects", project, "executions", str(execution), "cancel")
        return self._transport.convert(self._transport.request("POST", path), Execution)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
