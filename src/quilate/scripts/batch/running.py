"""Runs a script over data that may be larger than memory: whole, in chunks, or by group; then ``combine``."""

import asyncio
import hashlib
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quilate.sandbox.model import Failure, FailureClass, Format, Limits, Outcome, Payload, Program
from quilate.sandbox.pool import SandboxPool
from quilate.scripts.batch.accounting import Account, Written, first_failure
from quilate.scripts.batch.answers import from_merged, read_result, with_first
from quilate.scripts.batch.calling import Caller, CallPlan, PartResult
from quilate.scripts.batch.groups import GroupReader
from quilate.scripts.batch.merging import Runs
from quilate.scripts.batch.model import (
    WRITABLE,
    BatchInput,
    BatchInputError,
    BatchOutcome,
    BatchResultError,
    ProgressCallback,
    Settings,
)
from quilate.scripts.batch.output_types import declared_schema
from quilate.scripts.batch.parts import Part, chunks, json_array, whole
from quilate.scripts.batch.store import PartStore, mark_of
from quilate.scripts.batch.writing import Sink, open_sink
from quilate.scripts.model import FileFormat, Mode, Shape

_COLUMNAR_RESULTS = frozenset({FileFormat.PARQUET, FileFormat.ARROW})


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What was asked for."""

    pool: SandboxPool
    program: Program
    shape: Shape
    source: BatchInput
    target_format: FileFormat
    limits: Limits
    workers: int
    previous: PartStore | None
    input_types: dict[str, Any]
    output_schema: Any
    settings: Settings

    @property
    def final(self) -> Format:
        """How the result leaves the sandbox."""
        return Format.ARROW if self.target_format in _COLUMNAR_RESULTS else Format.JSON

    @property
    def answer(self) -> Format:
        """How the results of parts leave it: ``combine`` gets JSON."""
        return Format.JSON if self.shape.combine else self.final


class _FailedError(Exception):
    """There is no result."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


async def run_batch(  # noqa: PLR0913 - each is a separate choice of the caller, all but the first ones by name
    pool: SandboxPool,
    program: Program,
    shape: Shape,
    source: BatchInput,
    target: Path | None,
    *,
    target_format: FileFormat = FileFormat.JSON,
    limits: Limits | None = None,
    workers: int = 2,
    previous: PartStore | None = None,
    input_schema: bytes | None = None,
    output_schema: bytes | None = None,
    progress: ProgressCallback | None = None,
    settings: Settings | None = None,
) -> BatchOutcome:
    """Run ``process`` over all the data and write one result.

    Memory is bounded by a few parts for each worker; what is larger lies in a temporary directory. A part that fails is
    left out and named in the outcome. Cancelling the task ends the calls and leaves no target.

    Args:
        pool: Where scripts run.
        program: The script.
        shape: How the data is cut, and whether ``combine`` is called at the end.
        source: The data.
        target: Where the result goes; ``None`` for bytes in the outcome.
        target_format: How it is written: JSON, NDJSON, Parquet or Arrow.
        limits: Of each call.
        workers: Parts at a time.
        previous: Results of parts are kept there, and those that are there are not made again.
        input_schema: JSON Schema of the records; gives CSV columns their types.
        output_schema: JSON Schema of the result's records; gives its columns their types.
        progress: Told after each part.
        settings: Bounds of memory.

    Returns:
        The outcome; failures are in it and never raised.

    Raises:
        SandboxUnavailableError: No worker can be started any more.
    """
    begin = time.perf_counter()
    account = Account(limits or Limits(), progress)
    with tempfile.TemporaryDirectory(prefix="quilate-batch-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        path = _partial(target) if target is not None else directory / "result"
        failure: Failure | None = None
        try:
            order = _Order(
                pool=pool,
                program=program,
                shape=shape,
                source=source,
                target_format=_writable(target_format),
                limits=limits or Limits(),
                workers=max(1, workers),
                previous=previous,
                input_types=_types(input_schema),
                output_schema=declared_schema(output_schema),
                settings=settings or Settings(),
            )
            await _Batch(order, account, directory, path).run()
        except BatchInputError as error:
            failure = Failure(kind=FailureClass.INPUT, message=str(error))
        except BatchResultError as error:
            failure = Failure(kind=FailureClass.RESULT, message=str(error))
        except _FailedError as error:
            failure = error.failure
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        end: Failure | Written
        if failure is not None:
            path.unlink(missing_ok=True)
            end = failure
        else:
            end = await asyncio.to_thread(_finished, path, target)
        return account.outcome(end, target_format, time.perf_counter() - begin)


def _writable(target_format: FileFormat) -> FileFormat:
    if target_format not in WRITABLE:
        message = f"Results are not written as {target_format}"
        raise BatchResultError(message)
    return target_format


def _types(schema: bytes | None) -> dict[str, Any]:
    declared = declared_schema(schema)
    return {} if declared is None else {field.name: field.type for field in declared}


def _partial(target: Path) -> Path:
    return target.with_name(f".{target.name}.partial")


def _finished(path: Path, target: Path | None) -> Written:
    """Put the result where it belongs."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    size = path.stat().st_size
    output: Path | bytes = path.read_bytes() if target is None else path.replace(target)
    return Written(output=output, digest=f"sha256:{digest}", size=size)


class _Batch:
    """One run."""

    def __init__(self, order: _Order, account: Account, directory: Path, path: Path) -> None:
        self._order = order
        self._account = account
        self._directory = directory
        self._path = path
        self._partials: list[bytes] = []
        self._partials_bytes = 0
        self._sink: Sink | None = None
        self._runs: Runs | None = None

    async def run(self) -> None:
        """Make the result."""
        if self._order.shape.mode is Mode.WHOLE:
            await self._run_whole()
        else:
            await self._run_parts()

    async def _run_whole(self) -> None:
        order = self._order
        part = await asyncio.to_thread(whole, order.source, order.settings, order.input_types)
        self._account.records_in = part.records
        outcome = await self._execute(part.payload, "process", order.answer)
        if order.shape.combine:
            outcome = await self._execute(Payload(data=json_array([outcome.output or b"null"])), "combine", order.final)
        self._account.parts = 1
        await asyncio.to_thread(self._write_final, outcome.output or b"")

    async def _execute(self, payload: Payload, function: str, answer: Format) -> Outcome:
        order = self._order
        outcome = await order.pool.execute(
            order.program, payload, limits=order.limits, function=function, answer=answer
        )
        self._account.note(outcome)
        if outcome.failure is not None or outcome.output is None:
            raise _FailedError(outcome.failure or Failure(kind=FailureClass.RESULT, message="There is no result"))
        return outcome

    def _write_final(self, output: bytes) -> None:
        """Write a result that came as one value."""
        order = self._order
        if order.target_format is FileFormat.JSON:
            values = read_result(output, Format.JSON, single=True)
            self._path.write_bytes(values[0] + b"\n")
            self._account.records_out = len(read_result(output, Format.JSON, single=False))
            return
        sink = open_sink(self._path, order.target_format, order.output_schema)
        try:
            sink.add(read_result(output, order.final, single=False))
            sink.close()
        except BaseException:
            sink.abort()
            raise
        self._account.records_out = sink.records

    async def _run_parts(self) -> None:
        order = self._order
        parts, reader = await self._open_parts()
        if not order.shape.combine:
            self._sink = open_sink(self._path, order.target_format, order.output_schema)
        try:
            await self._call_parts(parts)
            if order.shape.combine:
                await self._combine()
            else:
                await asyncio.to_thread(self._finish)
        except BaseException:
            if self._sink is not None:
                self._sink.abort()
            raise
        finally:
            if self._runs is not None:
                self._runs.close()
        del reader

    async def _open_parts(self) -> tuple[Iterator[Part], GroupReader | None]:
        order = self._order
        if order.shape.mode is Mode.CHUNK:
            return chunks(order.source, order.shape.size, order.settings, order.input_types), None
        spill = self._directory / "groups"
        spill.mkdir()
        reader = GroupReader(order.source, order.shape.key, order.settings, spill, order.input_types)
        await asyncio.to_thread(reader.read)
        if reader.several_runs:
            merged = self._directory / "runs"
            merged.mkdir()
            self._runs = Runs(merged)
        return reader.parts(), reader

    async def _call_parts(self, parts: Iterator[Part]) -> None:
        order = self._order
        if order.previous is not None:
            await asyncio.to_thread(order.previous.bind, self._mark())
        plan = CallPlan(
            program=order.program,
            limits=order.limits,
            answer=order.answer,
            single=order.shape.combine,
            workers=order.workers,
            store=order.previous,
            grouped=order.shape.mode is Mode.GROUP,
        )
        async with Caller(order.pool, plan) as caller:
            async for result in caller.results(parts):
                await asyncio.to_thread(self._keep, result)
                self._account.part_done(result)
                if hopeless := self._account.hopeless(order.settings.hopeless):
                    raise _FailedError(hopeless)
        if failure := first_failure(self._account):
            raise _FailedError(failure)

    def _mark(self) -> str:
        order = self._order
        source = order.source
        if source.path is not None:
            status = source.path.stat()
            described = f"{source.path} {status.st_size} {status.st_mtime_ns} {source.format}"
        else:
            described = f"{hashlib.sha256(source.data or b'').hexdigest()} {source.format}"
        return mark_of(order.program, order.shape, order.limits, order.answer, described)

    def _keep(self, result: PartResult) -> None:
        for first, values in result.values:
            if self._runs is not None:
                self._runs.add(result.part.run, with_first(values, first))
            else:
                self._take(values)
        self._account.records_out = self._sink.records if self._sink is not None else 0

    def _take(self, values: Any) -> None:
        if self._sink is not None:
            self._sink.add(values)
            return
        self._partials.extend(values)
        self._partials_bytes += sum(map(len, values))
        if self._partials_bytes > self._order.settings.partials_bytes:
            raise _FailedError(
                Failure(
                    kind=FailureClass.MEMORY,
                    message=f"The results for combine are longer than {self._order.settings.partials_bytes} bytes "
                    "together: let process return less, such as sums",
                )
            )

    def _drain(self) -> None:
        if self._runs is not None:
            for table in self._runs.merged():
                self._take(from_merged(table, self._order.answer))

    def _finish(self) -> None:
        self._drain()
        assert self._sink is not None  # noqa: S101 - without combine there is one
        self._sink.close()
        self._account.records_out = self._sink.records

    async def _combine(self) -> None:
        if self._account.failed:
            count, parts = len(self._account.failed), self._account.parts
            message = f"combine was not called: {count} of {parts} parts have no result"
            raise _FailedError(Failure(kind=self._account.failed[0].failure.kind, message=message))
        await asyncio.to_thread(self._drain)
        payload = Payload(data=json_array(self._partials))
        outcome = await self._execute(payload, "combine", self._order.final)
        await asyncio.to_thread(self._write_final, outcome.output or b"")
