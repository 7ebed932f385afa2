"""Run a command of the project: build, train, deploy, or any tool that has no check type of its own.

Why: A pipeline builds, trains and deploys as well as it looks. As a check, a command gets the same isolation,
time-outs, evidence and place in the decision as everything else.

Input: `argv`, in the blueprint or in the binding (exactly one of them); never a shell. It runs in a private copy of
the workspace, or in the workspace itself where `in_place` is true. Only the named environment variables are passed on;
their values are masked in all that is kept. It runs each time, since nobody but its author knows what else it reads;
`cacheable: true` says that only the workspace and the project's packages matter.

Facts: `exit_code`, `outputs_present` (declared outputs that are there afterwards).

Limits: the exit code must be `expected_exit`; every declared output must exist.

Findings: `QL-CMD-001` unexpected exit code, with the last lines printed; `QL-CMD-002` a declared output is missing.

Raises: EvidenceError where the program cannot be started, runs out of time, or `argv` is given twice or not at all.

Source: own rules.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.domain.errors import EvidenceError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Artifact,
    Evidence,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    number_fact,
)
from quilate.evidence.redaction import MASK, MAX_TEXT, redact
from quilate.kit.process.model import ProcessResult

SHOWN_LINES = 20
SHOWN_CHARACTERS = 2000
"""Of what a failed command printed last, in its finding."""
SHORTEST_MASKED = 4
"""Values of passed-on variables shorter than this are no secrets, and would mask half of the text."""
MAX_OUTPUT_BYTES = 256 << 20
"""A declared output beyond 256 MiB is named with its size but not kept as an artifact."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandParameters:
    """What runs and what must come of it.

    ``environment`` names the variables that are passed on; ``outputs`` are paths that must exist afterwards;
    ``cacheable`` says that the workspace and the project's packages alone decide the outcome.
    """

    argv: tuple[str, ...]
    outputs: tuple[str, ...]
    expected_exit: int
    environment: tuple[str, ...]
    in_place: bool
    cacheable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandBinding:
    """``argv`` for a project's own command; ``directory`` is where it starts, relative to the workspace."""

    argv: tuple[str, ...] = ()
    directory: str = "."


class Command:
    """See the module's docstring."""

    parameters: ClassVar[type] = CommandParameters
    binding: ClassVar[type] = CommandBinding
    type: ClassVar[str] = "COMMAND"
    version: ClassVar[str] = "1"
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "low",
        "argv": (),
        "outputs": (),
        "expected_exit": 0,
        "environment": (),
        "in_place": False,
        "cacheable": False,
    }
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS

    def produces(self, parameters: CommandParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the contract
        """Return the facts."""
        return (
            FactSpec(name="exit_code", type=FactType.NUMBER, description="what the command ended with"),
            FactSpec(name="outputs_present", type=FactType.NUMBER, unit="count", description="declared outputs there"),
        )

    def inputs(self, parameters: CommandParameters, binding: Any) -> Inputs:  # noqa: ARG002 - the contract
        """Return the whole workspace and the project's packages; what works in place has effects to repeat."""
        settled = parameters.cacheable and not parameters.in_place and not parameters.environment
        return Inputs(interpreter=True, cacheable=settled)

    def run(self, context: Context) -> Evidence:
        """Run it and look at what it left."""
        parameters: CommandParameters = context.parameters
        argv = _argv(parameters, context.binding)
        root = context.workspace.root if parameters.in_place else context.writable_copy()
        directory = _inside(root, context.binding.directory)
        passed_on = context.variables(parameters.environment)
        result = context.run(argv, directory=directory, environment=passed_on)
        shown = _Masked(result, tuple(passed_on.values()))
        artifacts, missing = _outputs(context, root, parameters.outputs)
        findings = [_missing_output(name) for name in missing]
        if result.returncode != parameters.expected_exit:
            findings.insert(0, _unexpected_exit(argv, result.returncode, parameters.expected_exit, shown))
        return Evidence(
            summary=f"exit {result.returncode}" if findings else f"{Path(argv[0]).name} exit {result.returncode}",
            facts=(
                number_fact("exit_code", result.returncode),
                number_fact("outputs_present", len(parameters.outputs) - len(missing), unit="count"),
            ),
            findings=tuple(findings),
            artifacts=(*artifacts, context.artifact("output.log", shown.log(), "text/plain")),
        )

    def canary(self, directory: Path) -> Canary:
        """Have a command that fails."""
        (directory / "fail.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
        return Canary(expected_rules=("QL-CMD-001",), parameters={"argv": ["python3", "fail.py"]})


def _argv(parameters: CommandParameters, binding: CommandBinding) -> tuple[str, ...]:
    if bool(parameters.argv) == bool(binding.argv):
        raise EvidenceError(
            "the command is given twice" if binding.argv else "no command is given",
            next_step="write `argv` either in the blueprint or in the binding in quilate.yaml",
        )
    return parameters.argv or binding.argv


def _inside(root: Path, name: str) -> Path:
    directory = (root / name).resolve()
    if not directory.is_relative_to(root.resolve()) or not directory.is_dir():
        raise EvidenceError(f"{name!r} is no directory of the workspace", next_step="mend `directory` in quilate.yaml")
    return directory


def _outputs(context: Context, root: Path, names: tuple[str, ...]) -> tuple[tuple[Artifact, ...], list[str]]:
    kept, missing = [], []
    for name in names:
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()) or not path.exists():
            missing.append(name)
        elif path.is_file() and path.stat().st_size <= MAX_OUTPUT_BYTES:
            kept.append(context.artifact(name, path.read_bytes(), "application/octet-stream"))
    return tuple(kept), missing


class _Masked:
    """What a command printed, without secrets: those that look like it, and every value that was passed on to it."""

    def __init__(self, result: ProcessResult, values: tuple[str, ...]) -> None:
        self._values = sorted((value for value in values if len(value) >= SHORTEST_MASKED), key=len, reverse=True)
        self.stdout = self._masked(result.stdout)
        self.stderr = self._masked(result.stderr)

    def _masked(self, stream: bytes) -> str:
        text = stream[-MAX_TEXT:].decode("utf-8", "replace")
        for value in self._values:
            text = text.replace(value, MASK)
        if len(stream) > MAX_TEXT:
            text = text.partition("\n")[2]  # The cut may have gone through a secret, which is then no longer known.
        return redact(text)

    def last_lines(self) -> str:
        """Return the last lines of the errors, else of the output, as one line."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()[-SHOWN_LINES:]
        return " / ".join(line.strip() for line in lines)[:SHOWN_CHARACTERS]

    def log(self) -> bytes:
        """Return the end of the output and of the errors, one after the other."""
        return (self.stdout + self.stderr).encode()


def _unexpected_exit(argv: tuple[str, ...], code: int, expected: int, shown: _Masked) -> Finding:
    told = shown.last_lines()
    ending = f"signal {-code}" if code < 0 else f"exit code {code}"
    return Finding(
        rule=RuleId("QL-CMD-001"),
        kind=FindingKind.TEST,
        severity=Severity.HIGH,
        message=f"{Path(argv[0]).name} ended with {ending}" + (f": {told}" if told else ""),
        location=Location(),
        measured=ending,
        limit=f"exit code {expected}",
        fix="run the command by hand, mend what it complains of; the end of its output is kept as output.log",
        context=redact(" ".join(argv)),
    )


def _missing_output(name: str) -> Finding:
    return Finding(
        rule=RuleId("QL-CMD-002"),
        kind=FindingKind.TEST,
        severity=Severity.HIGH,
        message=f"the declared output {name} is not there after the command",
        location=Location(path=name),
        measured="missing",
        limit="present",
        fix="let the command write it, or mend `outputs` in the blueprint",
    )
