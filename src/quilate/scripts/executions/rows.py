"""Executions and claims as rows, and back."""

from collections.abc import Mapping
from typing import Any

import msgspec

from quilate.sandbox.model import Failure, FailureClass
from quilate.scripts.executions.model import Claim, Execution, Options, Status
from quilate.scripts.exports.model import OutputTarget
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import Provenance, StoredPayload

_NO_OPTIONS = Options()


def options_text(options: Options) -> str | None:
    """Return what of the options is not as usual, as JSON; ``None`` for nothing. The priority has its own column."""
    told = {
        name: getattr(options, name)
        for name in ("output_format", "attempts", "target")
        if getattr(options, name) != getattr(_NO_OPTIONS, name)
    }
    return msgspec.json.encode(told).decode() if told else None


def options_from(row: Mapping[str, Any]) -> Options:
    """Return the options of a row."""
    text = row["options"]
    if text is None and not row["priority"]:
        return _NO_OPTIONS
    told = msgspec.json.decode(text) if text else {}
    if "output_format" in told:
        told["output_format"] = FileFormat(told["output_format"])
    if "target" in told:
        told["target"] = OutputTarget(**told["target"])
    return Options(priority=row["priority"], **told)


def execution_from(row: Mapping[str, Any]) -> Execution:
    """Return the execution of a row."""
    return Execution(
        id=row["id"],
        project_id=row["project_id"],
        script_id=row["script_id"],
        version_id=row["version_id"],
        status=Status(row["status"]),
        options=options_from(row),
        created_by=row["created_by"],
        input=_input(row),
        output=_output(row),
        failure=_failure(row),
        parts=msgspec.json.decode(row["parts"]) if row["parts"] else None,
        submitted_at=row["submitted_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        wall_us=row["wall_us"],
        cpu_us=row["cpu_us"],
        peak_memory=row["peak_memory"],
        fuel=row["fuel"],
        engine=row["engine"],
        level=row["level"],
        attempts=row["attempts"],
        history=msgspec.json.decode(row["history"]) if row["history"] else (),
        dead=row["dead"],
        erasure=row["erasure"],
    )


def _input(row: Mapping[str, Any]) -> StoredPayload:
    origin = row["input_origin"]
    return StoredPayload(
        digest=row["input_digest"],
        size=row["input_size"],
        format=FileFormat(row["input_format"]),
        inline=row.get("input"),
        reference=row["input_reference"],
        provenance=msgspec.json.decode(origin, type=Provenance) if origin else None,
    )


def _output(row: Mapping[str, Any]) -> StoredPayload | None:
    if row["output_digest"] is None:
        return None
    return StoredPayload(
        digest=row["output_digest"],
        size=row["output_size"],
        format=FileFormat(row["output_format"]),
        inline=row.get("answer"),
        reference=row["output_reference"],
    )


def _failure(row: Mapping[str, Any]) -> Failure | None:
    if row["failure_class"] is None:
        return None
    return Failure(
        kind=FailureClass(row["failure_class"]),
        message=row["failure_message"],
        line=row["failure_line"],
        column=row["failure_column"],
        record=row["failure_record"],
        rule=row["failure_rule"],
    )


def claim_from(row: Mapping[str, Any]) -> Claim:
    """Return the claim of a row."""
    return Claim(
        id=row["id"],
        project_id=row["project_id"],
        script_id=row["script_id"],
        version_id=row["version_id"],
        fence=row["fence"],
        attempt=row["attempt"],
        losses=row["losses"],
        awaited=row["awaited"],
        options=options_from(row),
        input=_input(row),
        created_by=row["created_by"],
        quarantined=row["quarantined"],
    )


def origin_text(payload: StoredPayload) -> str | None:
    """Return where a payload came from as JSON; ``None`` for the body of a request."""
    origin = payload.provenance
    return msgspec.json.encode(origin).decode() if origin is not None and origin.kind != "body" else None
