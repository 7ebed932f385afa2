"""From what the sandbox answers, which nobody trusts, to what is kept."""

from datetime import datetime
from uuid import UUID

import msgspec

from quilate.sandbox.model import Failure, FailureClass, Format, Outcome, Payload
from quilate.scripts.executions.model import Claim, Result
from quilate.scripts.model import FileFormat, Mode, ScriptVersion
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import StoredPayload

LARGEST_AT_ONCE = 32 << 20
"""Bytes of an input that is handed to the sandbox at once; longer ones are read by ``quilate.scripts.batch``."""

SANDBOX_FORMATS = {FileFormat.JSON: Format.JSON, FileFormat.NDJSON: Format.NDJSON, FileFormat.ARROW: Format.ARROW}
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


async def result_of(outcome: Outcome, store: PayloadStore, started_at: datetime, *, seal_for: UUID | None) -> Result:
    """Return what is kept of an outcome.

    Args:
        outcome: What the sandbox answered to one call.
        store: Keeps the output.
        started_at: When the attempt began.
        seal_for: The project whose key seals output and console; ``None`` for plain.
    """
    failure = outcome.failure
    output: StoredPayload | None = None
    if failure is None:
        failure = _unfit(outcome.output)
    if failure is None and outcome.output is not None:
        output = await store.keep_bytes(outcome.output, FileFormat.JSON, seal_for=seal_for)
    return Result(
        output=output,
        failure=failure,
        console=await kept_console(outcome.console, store, seal_for, truncated=outcome.console_truncated),
        started_at=started_at,
        wall_us=round(outcome.wall_milliseconds * 1000),
        cpu_us=round(outcome.cpu_milliseconds * 1000),
        peak_memory=outcome.peak_memory_bytes,
        fuel=outcome.fuel,
        engine=outcome.engine.value,
        level=outcome.level.value,
    )


def _unfit(output: bytes | None) -> Failure | None:
    """Return why an output is no JSON text.

    It goes into answers as it is: a sandbox that was taken over must not be able to put anything else there.
    """
    try:
        if output is None:
            raise ValueError("none")  # noqa: TRY301 - one answer to every way of being wrong
        msgspec.json.decode(output, type=msgspec.Raw)
        if not output.isascii():
            output.decode()
    except (ValueError, msgspec.MsgspecError):
        return Failure(
            kind=FailureClass.RESULT, message="the result is no JSON text; it may hold half of a surrogate pair"
        )
    return None


async def kept_console(
    lines: tuple[str, ...], store: PayloadStore, seal_for: UUID | None, *, truncated: bool = False
) -> bytes:
    """Return lines of ``console.log`` as they are kept: a JSON object, sealed where the data is; empty for none."""
    if not lines:
        return b""
    told = [line.encode("utf-8", "replace").decode() for line in lines]
    text = msgspec.json.encode({"lines": told, "truncated": truncated})
    return text if seal_for is None else await store.sealed(seal_for, text)
