"""Run a plugin's check in its own tests, as a real run does, whether the plugin is installed or not."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from quilate.checks.api import Check
from quilate.checks.execution import execute_check_in_place
from quilate.evidence.model import Evidence
from quilate.runs.canaries import CanaryResult, run_canary_of

__all__ = ["fact_values", "rules_of", "run_canary", "run_check"]


def run_check(
    check: type[Check],
    directory: Path,
    *,
    parameters: Mapping[str, Any] | None = None,
    binding: Mapping[str, Any] | None = None,
    timeout: float = 60.0,
) -> Evidence:
    """Return what a check finds in all files below ``directory``.

    Args:
        check: The class.
        directory: What is judged.
        parameters: As in a blueprint; the profile gives the others.
        binding: As in ``quilate.yaml``.
        timeout: Seconds that its programs may take.

    Raises:
        EvidenceError: The check could not find out.
        ConfigurationError: Parameters or binding do not fit.
    """
    return execute_check_in_place(
        check(),
        directory,
        parameters=parameters or {},
        binding=binding or {},
        interpreter=sys.executable,
        timeout=timeout,
    )


def run_canary(check: type[Check]) -> CanaryResult:
    """Return whether a check goes red on its canary: ``red`` must be true, ``message`` says why it is not."""
    return run_canary_of(check(), sys.executable)


def fact_values(evidence: Evidence) -> dict[str, Any]:
    """Return the values of the facts by name; numbers are decimal texts."""
    return {fact.name: fact.value for fact in evidence.facts}


def rules_of(evidence: Evidence) -> list[str]:
    """Return the rule of every finding, in order."""
    return [str(finding.rule) for finding in evidence.findings]
