"""Run one check where it stands: build its context, call it, give its findings their fingerprints."""

import json
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from quilate.checks.api import Check
from quilate.checks.context import ContextSpec, LocalContext
from quilate.checks.registry import load_check
from quilate.checks.validation import merged_parameters, validated
from quilate.domain.errors import EvidenceTimeoutError, QuilateError, ToolMissingError
from quilate.evidence.fingerprints import assign_fingerprints
from quilate.evidence.model import Evidence
from quilate.kit.canonical import to_document


def execute(spec: ContextSpec) -> Evidence:
    """Run the check that ``spec`` describes in this process.

    Raises:
        QuilateError: The check could not get its evidence.
    """
    return execute_prepared(prepare(spec))


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedCheck:
    """A check with the context that it will be given."""

    check: Check
    context: LocalContext


def prepare(spec: ContextSpec) -> PreparedCheck:
    """Return the check and the context that ``spec`` describes.

    Raises:
        QuilateError: Type, parameters or binding are not known.
    """
    return _prepared(load_check(spec.check_type), spec)


def _prepared(check: Check, spec: ContextSpec) -> PreparedCheck:
    parameters = validated(check.parameters, spec.parameters, "unknown parameter")
    binding = validated(check.binding, spec.binding, "unknown binding")
    return PreparedCheck(check=check, context=LocalContext(spec, parameters=parameters, binding=binding))


def execute_prepared(prepared: PreparedCheck) -> Evidence:
    """Run a check in this process.

    Raises:
        QuilateError: The check could not get its evidence.
    """
    context = prepared.context
    try:
        evidence = prepared.check.run(context)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "quilate":
            raise
        raise ToolMissingError(
            f"{error.name} is not installed", next_step="install it: pip install 'quilate[all]'"
        ) from error
    if not evidence.findings:
        return evidence
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
    return execute_check_in_place(
        load_check(check_type),
        directory,
        parameters=parameters,
        binding=binding,
        interpreter=interpreter,
        timeout=timeout,
    )


def execute_check_in_place(  # noqa: PLR0913 - as above
    check: Check,
    directory: Path,
    *,
    parameters: Mapping[str, Any],
    binding: Mapping[str, Any],
    interpreter: str,
    timeout: float,
) -> Evidence:
    """Run a check over every file below ``directory``, whether its type is registered or not."""
    check_type = check.type
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
        return execute_prepared(_prepared(check, spec))


def execute_document(payload: bytes) -> bytes:
    """Run the check of a serialised ``ContextSpec`` and return a serialised ``ExecutionAnswer``.

    This is what a check's child process calls. An error of the check itself is part of the answer; anything else is a
    fault of ours and goes up with its traceback.
    """
    spec = decode_spec(payload)
    return answer_of(lambda: execute(spec))


def answer_of(run: Callable[[], Evidence]) -> bytes:
    """Return the serialised ``ExecutionAnswer`` of what ``run`` finds; an error of the check is part of it."""
    try:
        answer = ExecutionAnswer(evidence=run())
    except QuilateError as error:
        timed_out = isinstance(error, EvidenceTimeoutError)
        report = str(getattr(error, "report", ""))
        answer = ExecutionAnswer(error=str(error), next_step=error.next_step, timed_out=timed_out, report=report)
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        return msgspec.json.encode(_without_surrogates(to_document(answer)))


def encode_spec(spec: ContextSpec) -> bytes:
    r"""Return a specification as JSON; names of files that are not UTF-8 survive as ``\udcXX`` escapes."""
    try:
        return msgspec.json.encode(spec)
    except UnicodeEncodeError:
        return json.dumps(to_document(spec)).encode("ascii")


_SPEC_DECODER = msgspec.json.Decoder(ContextSpec)
"""Made before the children are forked: each would otherwise work out the types again."""


def decode_spec(payload: bytes) -> ContextSpec:
    """Return the specification that ``encode_spec`` wrote."""
    try:
        return _SPEC_DECODER.decode(payload)
    except msgspec.DecodeError:
        return msgspec.convert(json.loads(payload), type=ContextSpec)


def _without_surrogates(document: Any) -> Any:
    r"""Return plain JSON types with the bytes of names that are not UTF-8 spelt out as ``\xff``."""
    if isinstance(document, str):
        return document.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(document, dict):
        return {key: _without_surrogates(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [_without_surrogates(value) for value in document]
    return document


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionAnswer:
    """What a check's child sends back: its evidence, or why there is none; ``report`` is a plugin's traceback."""

    evidence: Evidence | None = None
    error: str = ""
    next_step: str = ""
    timed_out: bool = False
    report: str = ""
