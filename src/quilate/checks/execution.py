"""Run one check where it stands: build its context, call it, give its findings their fingerprints."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from quilate.checks.context import ContextSpec, LocalContext
from quilate.checks.registry import load_check
from quilate.checks.validation import merged_parameters, validated
from quilate.domain.errors import EvidenceTimeoutError, QuilateError
from quilate.evidence.fingerprints import assign_fingerprints
from quilate.evidence.model import Evidence
from quilate.kit.canonical import to_document


def execute(spec: ContextSpec) -> Evidence:
    """Run the check that ``spec`` describes in this process.

    Raises:
        QuilateError: The check could not get its evidence.
    """
    check = load_check(spec.check_type)
    parameters = validated(check.parameters, spec.parameters, "unknown parameter")
    binding = validated(check.binding, spec.binding, "unknown binding")
    context = LocalContext(spec, parameters=parameters, binding=binding)
    evidence = check.run(context)
    return replace(evidence, findings=assign_fingerprints(evidence.findings, context.workspace.source_line))


def execute_in_place(  # noqa: PLR0913 - one argument per thing that a caller may choose
    check_type: str,
    directory: Path,
    *,
    parameters: Mapping[str, Any],
    binding: Mapping[str, Any],
    interpreter: str,
    timeout: float,
) -> Evidence:
    """Run one check over every file below ``directory``, as the canaries do: no plan, no policy, no cache."""
    check = load_check(check_type)
    merged, threshold, _ = merged_parameters(check, parameters)
    root = directory.resolve()
    paths = sorted(
        str(Path(parent, name).relative_to(root))
        for parent, _, names in os.walk(root)
        for name in names
        if "__pycache__" not in parent
    )
    with tempfile.TemporaryDirectory(prefix="quilate-") as scratch:
        spec = ContextSpec(
            check_id=check_type.lower(),
            check_type=check_type,
            parameters=to_document(merged),
            binding=to_document(validated(check.binding, binding, f"{check_type} has no binding")),
            severity_threshold=threshold,
            workspace_root=str(root),
            workspace_paths=tuple(paths),
            scratch=scratch,
            artifacts=str(Path(scratch, "artifacts")),
            timeout_seconds=timeout,
            interpreter=interpreter,
        )
        return execute(spec)


def execute_document(payload: bytes) -> bytes:
    """Run the check of a serialised ``ContextSpec`` and return a serialised ``ExecutionAnswer``.

    This is what a check's child process calls. An error of the check itself is part of the answer; anything else is a
    fault of ours and goes up with its traceback.
    """
    spec = msgspec.json.decode(payload, type=ContextSpec)
    try:
        answer = ExecutionAnswer(evidence=execute(spec))
    except QuilateError as error:
        timed_out = isinstance(error, EvidenceTimeoutError)
        answer = ExecutionAnswer(error=str(error), next_step=error.next_step, timed_out=timed_out)
    return msgspec.json.encode(answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionAnswer:
    """What a check's child sends back: its evidence, or why there is none."""

    evidence: Evidence | None = None
    error: str = ""
    next_step: str = ""
    timed_out: bool = False
