"""Run one check where it stands: build its context, call it, give its findings their fingerprints."""

import os
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from quilate.checks.context import ContextSpec, LocalContext
from quilate.checks.registry import load_check
from quilate.checks.validation import merged_parameters, validated
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
