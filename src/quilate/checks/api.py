"""What a check is, and the only door through which it touches the world.

A check is stateless: everything it needs comes with the ``Context``. Its parameters come from the blueprint (merged
over the shipped profile, so that no limit hides in code), its binding from the project file. Both are frozen
dataclasses, and the planner validates them before anything runs.
"""

import builtins
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar, Protocol

from quilate.checks.workspace import Workspace
from quilate.domain.severity import Severity
from quilate.evidence.model import Artifact, Evidence, FactSpec
from quilate.kit.process.model import ProcessLimits, ProcessResult


class Queue(StrEnum):
    """Which workers may run a check."""

    CODE = "code"
    DATA = "data"
    ML = "ml"
    SECURITY = "security"


class Isolation(StrEnum):
    """Where a check runs.

    ``process``: in a child of its own, and may start tools. ``exclusive``: likewise, with no other check beside it, for
    what measures time. ``thread``: trivial, own Python only.
    """

    PROCESS = "process"
    EXCLUSIVE = "exclusive"
    THREAD = "thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoBinding:
    """The binding of a check that judges the whole workspace."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """An external program that a check wraps.

    It is looked for beside the running interpreter first, then on PATH. ``distribution`` is the Python package that
    ships it (its version then enters the fingerprint), ``install`` the command shown when it is missing.
    """

    name: str
    install: str
    distribution: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """Everything that a check's answer depends on besides its parameters, binding and version.

    Attributes:
        files: Workspace paths (files or directories) that it reads; ``None`` stands for the whole workspace.
        also: Files that count besides, whether they are judged or not: reports that git ignores, for example.
        configuration: Names of files that a tool looks for beside the judged files and in all directories above them,
            those outside the workspace included; they count whether they are judged or not.
        tools: Tools whose version changes the answer.
        interpreter: The project's installed packages change the answer.
        cacheable: ``False`` for what has effects or answers differently by nature.
        endpoint: It asks a running service: cached only under ``fresh_for``.
    """

    files: tuple[str, ...] | None = None
    also: tuple[str, ...] = ()
    configuration: tuple[str, ...] = ()
    tools: tuple[Tool, ...] = ()
    interpreter: bool = False
    cacheable: bool = True
    endpoint: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A tiny input on which the check must go red.

    The check's ``canary`` writes the files; parameters are merged over the profile like a blueprint's own. ``serve``
    is argv of a service to start for endpoint checks (``{port}`` is replaced), whose URL replaces ``{url}`` in the
    binding's strings. ``expected_rules`` names at least one rule that must be among the findings.
    """

    expected_rules: tuple[str, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    binding: Mapping[str, Any] = field(default_factory=dict)
    serve: tuple[str, ...] = ()


class Context(Protocol):
    """The only door to the world. The runner builds it inside the check's own process."""

    check_id: str
    parameters: Any
    binding: Any
    severity_threshold: Severity
    workspace: Workspace
    timeout: float

    @property
    def scratch(self) -> Path:
        """A directory of this check alone."""
        ...

    def tool(self, tool: Tool) -> str:
        """Return the absolute path of a tool.

        Raises:
            ToolMissingError: It is nowhere to be found; the error says how to install it.
        """
        ...

    def run(
        self,
        argv: Sequence[str],
        *,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        limits: ProcessLimits | None = None,
    ) -> ProcessResult:
        """Run a program as an isolated child; every descendant has ended when this returns.

        It gets a small environment (PATH, HOME inside ``scratch``, LANG, TMPDIR) plus ``environment``; it starts in
        the workspace unless told otherwise. A non-zero exit is for the caller to judge; a time-out raises.

        Raises:
            EvidenceError: The program could not be started or ran out of time.
        """
        ...

    def writable_copy(self) -> Path:
        """Return a private writable copy of the workspace, for tests and builds."""
        ...

    def interpreter(self) -> str:
        """Return the project's Python: the project file's, else ``.venv``, else ``VIRTUAL_ENV``.

        Raises:
            EvidenceError: There is none of these.
        """
        ...

    def artifact(self, name: str, content: bytes, media_type: str) -> Artifact:
        """Keep a report or log, addressed by its content."""
        ...

    def secret(self, name: str) -> str:
        """Return a secret that the project file binds by environment variable name; it is masked in all evidence.

        Raises:
            EvidenceError: It is not set, or this project's checks may not have it.
        """
        ...

    def variables(self, names: Sequence[str]) -> Mapping[str, str]:
        """Return variables of the runner's environment that a check's parameters name; their values are masked.

        Raises:
            EvidenceError: One is not set, or this project's checks may not have it.
        """
        ...


class Check(Protocol):
    """One question about a subject. Class attributes describe it to the planner; ``run`` answers it.

    Attributes:
        type: The name in blueprints.
        version: Changes whenever the same input could give another answer; part of the cache key.
        profile: The shipped value of every parameter that a blueprint may leave out, ``severity_threshold`` always
            among them. ``quilate plan`` prints what it took from here and the digest enters the decision.
        parameters: Frozen dataclass of the blueprint's keys for this type, without defaults.
        binding: Frozen dataclass of the project file's keys for this type.
    """

    type: ClassVar[str]
    version: ClassVar[str]
    profile: ClassVar[Mapping[str, Any]]
    queue: ClassVar[Queue]
    isolation: ClassVar[Isolation]
    parameters: ClassVar[builtins.type]
    binding: ClassVar[builtins.type]

    def produces(self, parameters: Any) -> tuple[FactSpec, ...]:
        """Return the facts that it will leave, from its parameters alone."""
        ...

    def inputs(self, parameters: Any, binding: Any) -> Inputs:
        """Return what its answer depends on."""
        ...

    def run(self, context: Context) -> Evidence:
        """Answer the question.

        Raises:
            EvidenceError: It cannot be answered; the check's result is ``error``.
        """
        ...

    def canary(self, directory: Path) -> Canary:
        """Write a tiny input into ``directory`` on which this check must go red."""
        ...
