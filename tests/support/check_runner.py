"""Run one check on files in a directory, through the same execution as a real run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quilate.checks.execution import execute_in_place
from quilate.evidence.model import Evidence


def run_check(  # noqa: PLR0913 - one argument per thing that a test may choose
    check_type: str,
    directory: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    binding: Mapping[str, Any] | None = None,
    interpreter: str = "",
    timeout: float = 60.0,
) -> Evidence:
    """Return the evidence of one check over every file below ``directory``; its errors are raised."""
    return execute_in_place(
        check_type,
        directory,
        parameters=parameters or {},
        binding=binding or {},
        interpreter=interpreter,
        timeout=timeout,
    )


def fact_values(evidence: Evidence) -> dict[str, Any]:
    """Return the values of the facts by name."""
    return {fact.name: fact.value for fact in evidence.facts}


def rules_of(evidence: Evidence) -> list[str]:
    """Return the rule of every finding, in order."""
    return [str(finding.rule) for finding in evidence.findings]
