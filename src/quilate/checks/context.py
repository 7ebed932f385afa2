"""The live context of a check, built inside its own process from a serialisable specification."""

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from quilate.checks.api import Tool
from quilate.checks.tools import find_tool
from quilate.checks.variables import is_given
from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError, EvidenceTimeoutError
from quilate.domain.ids import Digest
from quilate.domain.severity import Severity
from quilate.evidence.model import Artifact
from quilate.kit.canonical import sha256_of
from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult
from quilate.kit.process.run import run_process

PASSED_ON = ("LANG", "LC_ALL", "LC_CTYPE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT")
"""Variables of the environment that the programs of a check get, besides ``PATH``."""

LONGEST_LOG_BYTES = 1 << 20
"""A check's log is kept up to this length."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContextSpec:
    """Everything from which the child builds the live context; plain data, so that it crosses processes.

    ``parameters`` and ``binding`` are the plain documents of the check's dataclasses. ``secrets`` maps the names that
    the project file allows to environment variables of the runner; only their names travel. ``log`` is a file that the
    output of the check's programs is added to as it comes, for people who follow it; empty for none. ``traceparent`` is
    the W3C trace that the check is part of; its programs get it as ``TRACEPARENT``. ``secrets_withheld`` says that the
    change comes from a fork, whose checks get none. ``variables`` are the only variables, by name or ``PREFIX_*``, that
    this project's checks may be given; ``None`` for any.
    """

    check_id: str
    check_type: str
    parameters: Mapping[str, Any]
    binding: Mapping[str, Any]
    severity_threshold: Severity
    workspace_root: str
    workspace_paths: tuple[str, ...]
    scratch: str
    artifacts: str
    timeout_seconds: float
    interpreter: str = ""
    secrets: Mapping[str, str] | None = None
    log: str = ""
    traceparent: str = ""
    secrets_withheld: bool = False
    variables: tuple[str, ...] | None = None


class LocalContext:
    """The context of a check that runs on this machine."""

    def __init__(self, spec: ContextSpec, *, parameters: Any, binding: Any) -> None:
        self.check_id = spec.check_id
        self.parameters = parameters
        self.binding = binding
        self.severity_threshold = spec.severity_threshold
        self.workspace = Workspace(root=Path(spec.workspace_root), paths=spec.workspace_paths)
        self.timeout = spec.timeout_seconds
        self._spec = spec

    @cached_property
    def scratch(self) -> Path:
        """A directory of this check alone; made when it is first asked for, since most checks need none."""
        directory = Path(self._spec.scratch)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return directory

    def tool(self, tool: Tool) -> str:
        """Return the absolute path of a tool; see ``Context.tool``."""
        return find_tool(tool)

    def run(
        self,
        argv: Sequence[str],
        *,
        directory: Path | None = None,
        environment: Mapping[str, str] | None = None,
        limits: ProcessLimits | None = None,
    ) -> ProcessResult:
        """Run a program as an isolated child; see ``Context.run``."""
        home = self.scratch / "home"
        temporary = self.scratch / "tmp"
        home.mkdir(exist_ok=True)
        temporary.mkdir(exist_ok=True)
        full = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        tools = str(Path(sys.executable).parent)
        full |= {"PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
        full |= {"HOME": str(home), "TMPDIR": str(temporary), "NO_COLOR": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        if self._spec.traceparent:
            full["TRACEPARENT"] = self._spec.traceparent
        full |= environment or {}
        chosen = limits or ProcessLimits(wall_seconds=self.timeout)
        name = Path(argv[0]).name
        try:
            with self._listener(name) as listener:
                result = run_process(
                    argv,
                    directory=directory or self.workspace.root,
                    environment=full,
                    limits=chosen,
                    listener=listener,
                )
        except OSError as error:
            raise EvidenceError(f"{name} could not be started: {error.strerror}") from error
        if result.outcome is ProcessOutcome.TIMED_OUT:
            raise EvidenceTimeoutError(
                f"{name} ran longer than {chosen.wall_seconds:g} s and was ended with all it had started",
                next_step="give the check a longer `timeout`, or find out what hangs",
            )
        if result.outcome is ProcessOutcome.MEMORY_EXCEEDED:
            raise EvidenceError(
                f"{name} used more than {(chosen.memory_bytes or 0) >> 20} MiB of memory and was ended",
                next_step="raise the check's memory limit or make the program smaller",
            )
        return result

    @contextmanager
    def _listener(self, name: str) -> Iterator[Callable[[bytes], None] | None]:
        """Give what the output of a program is told to: the log, up to its largest length."""
        if not self._spec.log:
            yield None
            return
        with open(self._spec.log, "ab", buffering=0) as log:  # noqa: PTH123 - a string path

            def listen(piece: bytes) -> None:
                room = LONGEST_LOG_BYTES - log.tell()
                if room > 0:
                    log.write(piece[:room])

            listen(f"$ {name}\n".encode())
            yield listen

    def writable_copy(self) -> Path:
        """Return a private writable copy of the judged files; made once per check."""
        copy = self.scratch / "workspace"
        if not copy.exists():
            copy.mkdir()
            for path in self.workspace.paths:
                target = copy / path
                try:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(self.workspace.root / path, target)
                except OSError as error:
                    raise EvidenceError(
                        f"{path!r} cannot be copied: {error.strerror}",
                        next_step="make it readable, or exclude it in quilate.yaml with a reason",
                    ) from error
        return copy

    def interpreter(self) -> str:
        """Return the project's Python; see ``Context.interpreter``."""
        return find_interpreter(self.workspace.root, self._spec.interpreter)

    def artifact(self, name: str, content: bytes, media_type: str) -> Artifact:
        """Keep ``content`` under its digest in the run's artifact store."""
        digest = sha256_of(content)
        target = Path(self._spec.artifacts) / digest.removeprefix("sha256:")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            partial = target.with_suffix(f".{os.getpid()}")
            partial.write_bytes(content)
            partial.replace(target)
        return Artifact(name=name, media_type=media_type, digest=Digest(digest), size=len(content))

    def secret(self, name: str) -> str:
        """Return a secret that the project file allows by name."""
        self._refuse_withheld(f"secret {name!r}")
        variable = (self._spec.secrets or {}).get(name, "")
        if variable:
            self._refuse_foreign(variable)
        value = os.environ.get(variable, "")
        if not value:
            raise EvidenceError(
                f"secret {name!r} is not set",
                next_step=f"set the environment variable {variable or '(bind it under `secrets` in quilate.yaml)'}",
            )
        return value

    def variables(self, names: Sequence[str]) -> dict[str, str]:
        """Return variables of the runner's environment; see ``Context.variables``."""
        for name in names:
            self._refuse_withheld(f"the environment variable {name}")
            self._refuse_foreign(name)
        missing = [name for name in names if name not in os.environ]
        if missing:
            raise EvidenceError(
                f"the environment variables {', '.join(missing)} are not set", next_step="set them where Quilate runs"
            )
        return {name: os.environ[name] for name in names}

    def _refuse_withheld(self, what: str) -> None:
        if self._spec.secrets_withheld:
            raise EvidenceError(
                f"{what} is not given to a change from a fork",
                next_step="have a member push the branch to the repository itself once the change was read",
            )

    def _refuse_foreign(self, variable: str) -> None:
        if not is_given(variable, self._spec.variables):
            raise EvidenceError(
                f"the environment variable {variable} is not given to this project's checks",
                next_step=f"have the operator add {variable} to QUILATE_SECRET_VARIABLES of the workers",
            )


def find_interpreter(root: Path, configured: str) -> str:
    """Return the interpreter that runs a project's own code.

    The project file's, else the workspace's ``.venv``, else ``VIRTUAL_ENV``.

    Raises:
        EvidenceError: There is none of these, or the configured one does not exist.
    """
    if configured:
        candidate = Path(configured) if Path(configured).is_absolute() else root / configured
        if not os.access(candidate, os.X_OK):
            raise EvidenceError(
                f"the interpreter {configured!r} does not exist", next_step="mend `interpreter` in quilate.yaml"
            )
        return str(candidate)
    for environment in (str(root / ".venv"), os.environ.get("VIRTUAL_ENV", "")):
        candidate = Path(environment) / "bin" / "python"
        if environment and os.access(candidate, os.X_OK):
            return str(candidate)
    raise EvidenceError(
        "no interpreter for the project's own code",
        next_step="on your machine make a .venv or activate an environment; a service's workers never get your .venv: "
        "its operator starts them with VIRTUAL_ENV set, or name a Python of theirs as `interpreter` in quilate.yaml",
    )
