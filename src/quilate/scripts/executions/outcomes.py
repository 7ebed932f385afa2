"""From what the sandbox answers, which nobody trusts, to what is kept."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from quilate.kit.web.problems import Problem
from quilate.sandbox.model import Failure, FailureClass, Format, Outcome, Payload
from quilate.scripts.executions.model import Claim, Result
from quilate.scripts.model import FileFormat, Mode, ScriptVersion
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.input_schema import protection_of
from quilate.scripts.payloads.model import StoredPayload
from quilate.scripts.payloads.sensitive import masked_parts

LARGEST_AT_ONCE = 32 << 20
"""Bytes of an input that is handed to the sandbox at once; longer ones are read by ``quilate.scripts.batch``."""

SANDBOX_FORMATS = {FileFormat.JSON: Format.JSON, FileFormat.NDJSON: Format.NDJSON}
"""What the sandbox takes as it was sent.

Columns go through ``quilate.scripts.batch``, Arrow's as well: a sandbox knows the types that are left once decimals,
dates and others have become what they are in JavaScript.
"""

_ONE_ANSWER = frozenset({None, FileFormat.JSON})


def is_one_call(claim: Claim, version: ScriptVersion) -> bool:
    """Tell whether an execution is one call of the script with all of its data, answered by one JSON value."""
    return (
        version.shape.mode is Mode.WHOLE
        and claim.input.format in SANDBOX_FORMATS
        and claim.input.size <= LARGEST_AT_ONCE
        and claim.options.output_format in _ONE_ANSWER
    )


def payload_of(claim: Claim, data: bytes) -> Payload:
    """Return the data as the sandbox takes it."""
    return Payload(data=data, format=SANDBOX_FORMATS[claim.input.format])


def failed(kind: FailureClass, message: str, started_at: datetime) -> Result:
    """Return the result of an attempt that came to nothing before the sandbox had a part in it."""
    return Result(failure=Failure(kind=kind, message=message), started_at=started_at)


class Keeping:
    """Keeps what came of attempts: outputs checked and sealed as the schemas ask, consoles and messages masked.

    Args:
        store: Where outputs lie.
        admission: Checks by schemas.
    """

    def __init__(self, store: PayloadStore, admission: Admission) -> None:
        self._store = store
        self._admission = admission

    def seal_for(self, claim: Claim, version: ScriptVersion) -> UUID | None:
        """Return the project whose key seals output and console; ``None`` where nobody asks for it."""
        sealed = claim.input.sealed or protection_of(version.output_schema).sealed
        return claim.project_id if sealed else None

    async def result(self, claim: Claim, version: ScriptVersion, outcome: Outcome, started_at: datetime) -> Result:
        """Return what is kept of the sandbox's answer to one call."""
        failure, output = outcome.failure or unfit(outcome.output), None
        if failure is None and outcome.output is not None:
            kept = await self._store.keep_bytes(outcome.output, FileFormat.JSON, seal_for=self.seal_for(claim, version))
            output, failure = await self.checked(claim, version, kept)
        failure, console, _ = await self.told(claim, version, failure, outcome.console, cut=outcome.console_truncated)
        return Result(
            output=output,
            failure=failure,
            console=console,
            started_at=started_at,
            wall_us=round(outcome.wall_milliseconds * 1000),
            cpu_us=round(outcome.cpu_milliseconds * 1000),
            peak_memory=outcome.peak_memory_bytes,
            fuel=outcome.fuel,
            engine=outcome.engine.value,
            level=outcome.level.value,
        )

    async def checked(
        self, claim: Claim, version: ScriptVersion, output: StoredPayload
    ) -> tuple[StoredPayload | None, Failure | None]:
        """Return an output that its schema allows, or why it does not."""
        if version.output_schema is None:
            return output, None
        try:
            looked_at = await self._admission.check_output(claim.project_id, version.output_schema, output)
        except Problem as problem:
            return None, Failure(kind=FailureClass.RESULT, message=f"the result cannot be checked: {problem.detail}")
        if not looked_at.violations:
            return output, None
        first = looked_at.violations[0]
        number = len(looked_at.violations)
        message = f"the result breaks its schema in {number} place(s); {first.path or '/'}: {first.message}"
        return None, Failure(kind=FailureClass.RESULT, message=message, record=first.record)

    async def told(  # noqa: PLR0913 - what is told of an attempt
        self,
        claim: Claim,
        version: ScriptVersion,
        failure: Failure | None,
        lines: tuple[str, ...],
        *,
        cut: bool,
        parts: Mapping[str, Any] | None = None,
    ) -> tuple[Failure | None, bytes, Mapping[str, Any] | None]:
        """Return failure, console and parts as they are kept: sensitive values masked, the console sealed."""
        masker = None
        if lines or failure is not None or (parts is not None and parts["failed"]):
            masker = await self._admission.masker(claim.project_id, version.input_schema, claim.input)
        if masker is not None:
            failure = replace(failure, message=masker.text(failure.message)) if failure is not None else None
            parts = masked_parts(parts, masker) if parts is not None else None
        if not lines:
            return failure, b"", parts
        told = [line.encode("utf-8", "replace").decode() for line in lines]
        text = msgspec.json.encode(
            {"lines": [masker.text(line) for line in told] if masker is not None else told, "truncated": cut}
        )
        seal_for = self.seal_for(claim, version)
        return failure, text if seal_for is None else await self._store.sealed(seal_for, text), parts


def unfit(output: bytes | None) -> Failure | None:
    """Return why an output is no JSON text.

    It goes into answers as it is: a sandbox that was taken over must not be able to put anything else there.
    """
    try:
        if output is None:
            raise ValueError("none")  # noqa: TRY301 - one answer to every way of being wrong
        msgspec.json.decode(output, type=msgspec.Raw)
        if not output.isascii():
            output.decode()
    except RecursionError:
        return Failure(kind=FailureClass.RESULT, message="the result nests too deep to be read")
    except (ValueError, msgspec.MsgspecError):
        return Failure(
            kind=FailureClass.RESULT, message="the result is no JSON text; it may hold half of a surrogate pair"
        )
    return None
