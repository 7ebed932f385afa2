"""Executions that are more than one call: chunks, groups, files, long inputs, outputs that are no single JSON value.

What parts have given is kept on this machine until the execution has ended for good: where a sandbox died under some of
them, the next attempt runs only those.
"""

import asyncio
import os
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from quilate.domain.errors import QuilateError
from quilate.kit.web.problems import Problem
from quilate.sandbox.model import RETRYABLE, Failure, FailureClass, Level
from quilate.sandbox.pool import SandboxPool
from quilate.scripts.batch.model import BatchInput, BatchOutcome
from quilate.scripts.batch.store import PartStore
from quilate.scripts.executions.model import Claim, Result
from quilate.scripts.executions.outcomes import Keeping, failed
from quilate.scripts.model import FileFormat, Mode, ScriptVersion
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import StoredPayload

_MOST_NAMED = 1000
"""Failed parts that are named."""


class BatchRunner:
    """Runs batches in this process's sandboxes.

    Args:
        pool: The sandboxes.
        store: Knows contents.
        keeping: Keeps outputs.
        directory: Where files lie while a batch runs, on this machine.
        sandboxes: How many sandboxes one batch may use.
    """

    def __init__(
        self, pool: SandboxPool, store: PayloadStore, keeping: Keeping, directory: Path, *, sandboxes: int
    ) -> None:
        self._pool = pool
        self._keeping = keeping
        self._store = store
        self._directory = directory
        self._sandboxes = sandboxes

    async def run(self, claim: Claim, version: ScriptVersion, started_at: datetime) -> Result:
        """Return what came of an execution; failures are part of it."""
        place = self._directory / str(claim.id)
        keeps = False
        try:
            await asyncio.to_thread(place.mkdir, mode=0o700, parents=True, exist_ok=True)
            try:
                source = await self._source(claim, place)
            except (Problem, QuilateError) as error:
                return failed(FailureClass.INPUT, f"the input cannot be read: {error}", started_at)
            outcome = await self._outcome(claim, version, source, place)
            failure = failure_of(outcome)
            # What is sealed at rest does not stay in the clear for a next attempt.
            keeps = failure is not None and failure.kind in RETRYABLE and not claim.input.sealed
            return await self._result(claim, version, outcome, failure, started_at)
        finally:
            if not keeps:
                await asyncio.to_thread(shutil.rmtree, place, ignore_errors=True)

    async def _source(self, claim: Claim, place: Path) -> Path:
        source = place / "input"
        await asyncio.to_thread(source.unlink, missing_ok=True)
        await self._store.copy_to(claim.input, claim.project_id, source)
        # The same data of another attempt: what parts gave before is recognised by name, size and time.
        os.utime(source, (0, 0))
        return source

    async def _outcome(self, claim: Claim, version: ScriptVersion, source: Path, place: Path) -> BatchOutcome:
        from quilate.scripts.batch import run_batch  # noqa: PLC0415 - Arrow is only loaded where there are batches

        with PartStore(place / "parts") as previous:
            return await run_batch(
                self._pool,
                version.program,
                version.shape,
                BatchInput(path=source, format=claim.input.format),
                place / "output",
                target_format=output_format(claim, version),
                limits=version.limits,
                workers=self._sandboxes,
                previous=previous,
                input_schema=version.input_schema,
                output_schema=version.output_schema,
            )

    async def _result(
        self,
        claim: Claim,
        version: ScriptVersion,
        outcome: BatchOutcome,
        failure: Failure | None,
        started_at: datetime,
    ) -> Result:
        output: StoredPayload | None = None
        # Also what is left of a result whose other parts failed for good.
        if isinstance(outcome.output, Path) and (failure is None or failure.kind not in RETRYABLE):
            form = FileFormat(outcome.output_format.value)
            seal_for = self._keeping.seal_for(claim, version)
            if form is FileFormat.ARROW:
                await asyncio.to_thread(_make_stream, outcome.output)
            output = await self._store.keep_file(outcome.output, form, seal_for=seal_for)
            if failure is None:
                output, failure = await self._keeping.checked(claim, version, output)
        failure, console, parts = await self._keeping.told(
            claim, version, failure, outcome.console, cut=outcome.console_truncated, parts=parts_of(outcome)
        )
        return Result(
            output=output,
            failure=failure,
            console=console,
            parts=parts,
            started_at=started_at,
            wall_us=round(outcome.wall_milliseconds * 1000),
            cpu_us=round(outcome.cpu_milliseconds * 1000),
            peak_memory=outcome.peak_memory_bytes,
            engine=version.engine.value,
            level=self._level.value,
        )

    @property
    def _level(self) -> Level:
        return self._pool.report.level


def _make_stream(path: Path) -> None:
    """Rewrite an Arrow file as the stream that the media type of outputs promises, and that inputs are taken as."""
    from quilate.scripts.batch.arrow_forms import write_as_stream  # noqa: PLC0415 - batches have loaded Arrow

    stream = path.with_name(f"{path.name}.stream")
    write_as_stream(path, stream)
    stream.replace(path)


def output_format(claim: Claim, version: ScriptVersion) -> FileFormat:
    """Return how an output is written: as asked, else JSON where it is one value, else as the input; NDJSON for CSV."""
    if claim.options.output_format is not None:
        return claim.options.output_format
    one_value = version.shape.combine or version.shape.mode is Mode.WHOLE
    if one_value or claim.input.format is FileFormat.JSON:
        return FileFormat.JSON
    if claim.input.format is FileFormat.CSV:
        return FileFormat.NDJSON
    return claim.input.format


def failure_of(outcome: BatchOutcome) -> Failure | None:
    """Return why a batch has no whole result: a part that another attempt may mend comes before others."""
    if outcome.failure is not None or not outcome.failed_parts:
        return outcome.failure
    mendable = [each for each in outcome.failed_parts if each.failure.kind in RETRYABLE]
    first = (mendable or outcome.failed_parts)[0]
    number = len(outcome.failed_parts)
    which = f"part {first.part}" + (f" (key {first.key})" if first.key is not None else "")
    said = f"{number} of {outcome.parts} parts failed; {which}: {first.failure.message}"
    return replace(first.failure, message=said)


def parts_of(outcome: BatchOutcome) -> dict[str, Any]:
    """Return what became of the parts, as it is kept and shown."""
    return {
        "parts": outcome.parts,
        "reused": outcome.reused,
        "records_in": outcome.records_in,
        "records_out": outcome.records_out,
        "failed_parts": len(outcome.failed_parts),
        "failed": [
            {
                "part": each.part,
                "key": each.key,
                "first_record": each.first_record,
                "class": each.failure.kind.value,
                "message": each.failure.message,
                "line": each.failure.line,
                "column": each.failure.column,
                "record": each.failure.record,
            }
            for each in outcome.failed_parts[:_MOST_NAMED]
        ],
    }
