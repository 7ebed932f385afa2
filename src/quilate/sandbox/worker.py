"""The worker process: it shuts itself in, says how well that went, then answers one call after another.

Started by ``worker_process`` with an empty environment and a bare interpreter, so this module imports little.
"""

import gc
import mmap
import os
import socket
import sys
import time
import traceback
from collections import OrderedDict
from typing import Final

from quilate.sandbox import failures, levels, lockdown, protocol
from quilate.sandbox.engine import CallResult, EngineSession, ScriptEngine
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Attempt, Engine, Payload, Program

WARM_SESSIONS: Final = 8
"""Programs whose isolates a worker keeps, where their projects asked for it."""
_RECEIVED_AT_ONCE: Final = 256 << 10
_RESET_PEAK: Final = b"5"
_BROKEN: Final = 70


class MemoryMeter:
    """The highest resident size since the last reset; its files are opened before the lock."""

    def __init__(self) -> None:
        self._status = self._reset = -1
        try:
            self._status = os.open("/proc/self/status", os.O_RDONLY)
            self._reset = os.open("/proc/self/clear_refs", os.O_WRONLY)
        except OSError:
            self._reset = -1

    def reset(self) -> None:
        """Begin a new measurement."""
        if self._reset >= 0:
            try:
                os.write(self._reset, _RESET_PEAK)
            except OSError:
                self._reset = -1

    def peak(self) -> int:
        """Bytes; 0 where the kernel does not say."""
        if self._reset < 0:
            return 0
        try:
            text = os.pread(self._status, 4096, 0)
        except OSError:
            return 0
        found = text.find(b"VmHWM:")
        return int(text[found + 6 :].split(None, 1)[0]) << 10 if found >= 0 else 0


class Wire:
    """Frames over the socket to the parent."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._buffer = bytearray()

    def receive(self) -> tuple[bytes, bytes] | None:
        """Header and body of the next frame; ``None`` when the parent has gone."""
        if not self._fill(protocol.PREFIX.size):
            return None
        header, body = protocol.lengths(self._buffer)
        begin, middle = protocol.PREFIX.size, protocol.PREFIX.size + header
        if not self._fill(middle + body):
            return None
        parts = bytes(self._buffer[begin:middle]), bytes(self._buffer[middle : middle + body])
        del self._buffer[: middle + body]
        return parts

    def _fill(self, size: int) -> bool:
        while len(self._buffer) < size:
            data = self._connection.recv(_RECEIVED_AT_ONCE)
            if not data:
                return False
            self._buffer += data
        return True

    def send(self, data: bytes) -> None:
        """One frame."""
        self._connection.sendall(data)


class Worker:
    """Answers calls with one engine."""

    def __init__(self, engine: ScriptEngine, wire: Wire, meter: MemoryMeter, files: tuple[int, int]) -> None:
        self._engine = engine
        self._wire = wire
        self._meter = meter
        self._input, self._output = files
        self._kept: tuple[int, EngineSession] | None = None
        self._warm: OrderedDict[Program, EngineSession] = OrderedDict()

    def serve(self) -> None:
        """Until the parent goes, or the engine cannot be trusted any more."""
        while (received := self._wire.receive()) is not None:
            call = protocol.read_call(received[0])
            last, session = self._serve_one(call, received[1])
            if last:
                return
            if session is not None:
                session.close()
            self._engine.prepare()

    def _serve_one(self, call: protocol.CallHeader, body: bytes) -> tuple[bool, EngineSession | None]:
        """Answer; says whether to end, and which session is done with."""
        source, data = self._split(call, body)
        program = Program(
            source=source, engine=call.engine, seed=call.seed, now_milliseconds=call.now_milliseconds, reuse=call.reuse
        )
        self._meter.reset()
        wall, cpu = time.perf_counter(), time.process_time()
        session = self._session(call, program)
        try:
            payload = Payload(data=data, format=call.format)
            result = session.call(payload, call.function, call.answer, call.limits)
        except MemoryError:
            result = CallResult(output=None, failure=failures.memory(), session_lost=True, worker_lost=True)
        times = (time.perf_counter() - wall) * 1e3, (time.process_time() - cpu) * 1e3
        self._answer(call, result, times)
        return result.worker_lost, self._done(call, program, session, lost=result.session_lost)

    def _split(self, call: protocol.CallHeader, body: bytes) -> tuple[str, bytes]:
        if call.shared:
            with mmap.mmap(self._input, call.source_bytes + call.payload_bytes) as shared:
                return shared[: call.source_bytes].decode(), shared[call.source_bytes :]
        return body[: call.source_bytes].decode(), body[call.source_bytes :]

    def _session(self, call: protocol.CallHeader, program: Program) -> EngineSession:
        if self._kept is not None and self._kept[0] != call.session:
            self._kept[1].close()
            self._kept = None
        if self._kept is not None:
            return self._kept[1]
        if not call.session and call.reuse and (warm := self._warm.get(program)) is not None:
            self._warm.move_to_end(program)
            return warm
        return self._engine.open(program, call.limits)

    def _done(
        self, call: protocol.CallHeader, program: Program, session: EngineSession, *, lost: bool
    ) -> EngineSession | None:
        """Keep the session where it is wanted again; else hand it back to be closed."""
        if lost:
            self._warm.pop(program, None)
            self._kept = None
            return session
        if call.session:
            self._kept = (call.session, session)
            return None
        if not call.reuse:
            return session
        self._warm[program] = session
        return self._warm.popitem(last=False)[1] if len(self._warm) > WARM_SESSIONS else None

    def _answer(self, call: protocol.CallHeader, result: CallResult, times: tuple[float, float]) -> None:
        output = result.output or b""
        shared = 0
        if len(output) > protocol.SHARED_ABOVE and call.shared_answer:
            shared = len(output)
            # The file has its size already: with RLIMIT_FSIZE 0 it could not be written, but it can be mapped.
            with mmap.mmap(self._output, shared) as memory:
                memory[:] = output
            output = b""
        header = protocol.AnswerHeader(
            number=call.number,
            succeeded=result.failure is None,
            shared_bytes=shared,
            failure=result.failure,
            console=result.console,
            console_truncated=result.console_truncated,
            wall_milliseconds=times[0],
            cpu_milliseconds=times[1],
            peak_memory_bytes=self._meter.peak(),
            fuel=result.fuel,
            last=result.worker_lost,
            session_lost=result.session_lost,
        )
        self._wire.send(protocol.frame(header, output))


def load_engine(settings: protocol.WorkerSettings) -> ScriptEngine:
    """The engine's object; nothing of it is loaded yet."""
    engine = settings.engine
    if engine is Engine.STRICT:
        from quilate.sandbox.strict.engine import StrictEngine  # noqa: PLC0415 - only this engine needs wasmtime

        return StrictEngine(settings.code_file)
    if settings.binding == "public":
        from quilate.sandbox.v8_public import PublicV8Engine  # noqa: PLC0415 - only the fallback needs asyncio

        return PublicV8Engine(engine)
    from quilate.sandbox.v8_engine import V8Engine  # noqa: PLC0415 - only this engine needs V8

    return V8Engine(engine)


def _ready(attempts: tuple[Attempt, ...], level: str, missing: tuple[str, ...]) -> protocol.ReadyHeader:
    return protocol.ReadyHeader(
        process=os.getpid(),
        level=level,
        attempts=tuple(protocol.AttemptHeader(name=a.name, refused=a.refused, detail=a.detail) for a in attempts),
        missing=missing,
    )


def run(settings: protocol.WorkerSettings) -> None:
    """A worker's whole life."""
    wire = Wire(socket.socket(fileno=settings.socket))
    engine = load_engine(settings)
    try:
        flags = engine.boot(heap_bytes=settings.heap_bytes, stack_kibibytes=settings.stack_kibibytes)
    except SandboxUnavailableError as error:
        wire.send(protocol.frame(protocol.unready(error.message, error.next_step)))
        return
    meter = MemoryMeter()
    jailed = settings.jail and levels.in_a_jail()
    report = lockdown.lock(
        data_bytes=settings.data_bytes,
        data_ceiling_bytes=settings.data_ceiling_bytes,
        parent=0 if settings.jail else settings.parent,
        executable_memory=engine.executable_memory,
        further=engine.system_calls,
    )
    attempts = levels.attempt_all() if sys.platform == "linux" else ()
    judged = levels.judge(attempts, report, jailed=jailed)
    engine.prepare()
    gc.freeze()
    wire.send(protocol.frame(_ready((*judged.attempts, *flags), judged.level.value, judged.missing)))
    Worker(engine, wire, meter, (settings.input_file, settings.output_file)).serve()


def main() -> None:
    """Read the settings from the command line and run; ends without Python's own shutdown, which could wait for V8."""
    settings = protocol.read_settings(sys.argv[1])
    status = 0
    try:
        run(settings)
    except (BrokenPipeError, ConnectionResetError):
        status = 0
    except BaseException:  # noqa: BLE001 - the process ends right after it
        traceback.print_exc()
        status = _BROKEN
    os._exit(status)
