"""Check types for tests of the durable runner; loading this module makes them known."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, NoBinding, Queue
from quilate.checks.registry import register_check
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Evidence, FactSpec, FactType, Finding, FindingKind, Location, number_fact


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkParameters:
    """What the check does.

    ``ledger``: file that it appends its name to when it begins; ``seconds``: how long it takes; ``failures``: how many
    of its first lines in the ledger make it fail; ``die``: it kills the process above its own; ``findings``: how many
    it has where it fails.
    """

    ledger: str
    seconds: Decimal
    failures: int
    die: bool
    findings: int


class Work:
    """Leaves a line in a ledger outside the database, takes its time, fails as often as it is told."""

    type: ClassVar[str] = "TEST_WORK"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {"severity_threshold": "low", "ledger": "", "seconds": Decimal(0), "failures": 0, "die": False, "findings": 1}
    )
    parameters: ClassVar = WorkParameters
    binding: ClassVar = NoBinding

    def produces(self, parameters: Any) -> tuple[FactSpec, ...]:
        del parameters
        return (FactSpec(name="answer", type=FactType.NUMBER, unit="count"),)

    def inputs(self, parameters: Any, binding: Any) -> Inputs:
        del parameters, binding
        return Inputs(cacheable=False)

    def run(self, context: Context) -> Evidence:
        parameters: WorkParameters = context.parameters
        before = 0
        if parameters.ledger:
            path = Path(parameters.ledger)
            before = path.read_text().split().count(context.check_id) if path.exists() else 0
            with path.open("a") as ledger:
                ledger.write(f"{context.check_id}\n")
        time.sleep(float(parameters.seconds))
        if parameters.die:
            os._exit(7)
        failed = before < parameters.failures
        finding = Finding(
            rule=RuleId("QL-TST-001"),
            kind=FindingKind.PERFORMANCE,
            severity=Severity.HIGH,
            message="It was told to fail",
            location=Location(),
            measured="1",
            limit="0",
            fix="Tell it otherwise.",
        )
        return Evidence(
            summary="42",
            facts=(number_fact("answer", 42, unit="count"),),
            findings=(finding,) * parameters.findings if failed else (),
        )

    def canary(self, directory: Path) -> Canary:
        raise LookupError(directory)


class Trivial(Work):
    """The same in the warm process."""

    type: ClassVar[str] = "TEST_TRIVIAL"
    isolation: ClassVar[Isolation] = Isolation.THREAD


class Security(Work):
    """The same for workers of another queue."""

    type: ClassVar[str] = "TEST_SECURITY"
    queue: ClassVar[Queue] = Queue.SECURITY


class Effect(Work):
    """Takes effect once for each attempt: leaves run, check and attempt in a ledger outside the database."""

    type: ClassVar[str] = "TEST_EFFECT"

    def run(self, context: Context) -> Evidence:
        parameters: WorkParameters = context.parameters
        with Path(parameters.ledger).open("a") as ledger:
            ledger.write(f"{context.scratch.name}\n")
        time.sleep(float(parameters.seconds))
        return Evidence(summary="42", facts=(number_fact("answer", 42, unit="count"),))


class Program(Work):
    """Runs a program that prints a line and a secret, then takes its time."""

    type: ClassVar[str] = "TEST_PROGRAM"

    def run(self, context: Context) -> Evidence:
        seconds = float(context.parameters.seconds)
        script = f"echo begun; echo token=$TOKEN; echo trace=$TRACEPARENT; sleep {seconds}; echo done"
        context.run(["sh", "-c", script], directory=context.scratch, environment={"TOKEN": context.secret("token")})
        return Evidence(summary="42", facts=(number_fact("answer", 42, unit="count"),))


for kind in (Work, Trivial, Security, Effect, Program):
    register_check(kind.type, f"{__name__}:{kind.__name__}")
