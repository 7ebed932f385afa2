"""One worker process, from the parent's side: starting it, calling it, ending it."""

import asyncio
import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from quilate.sandbox import failures, jail, protocol
from quilate.sandbox.connection import Connection
from quilate.sandbox.errors import SandboxUnavailableError
from quilate.sandbox.model import Attempt, Engine, Failure, FailureClass, Level, LevelReport, Limits, Outcome
from quilate.sandbox.requests import WorkerKind
from quilate.sandbox.watchdog import Watchdog

BOOT_SECONDS: Final = 30.0
"""A worker is ready after a tenth of a second; a machine that is busy or out of memory may take longer."""
COMPILED_CODE_BYTES: Final = 512 << 20
_REAP_SECONDS: Final = 5.0
_LAST_WORDS: Final = 64 << 10
_THREAD_ABOVE: Final = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """How workers of a pool are started.

    Attributes:
        heap_bytes: Of an ordinary call.
        ceiling_bytes: Up to which the heap of a single call may be moved.
        jail: Arguments of bubblewrap before the interpreter's, where it works.
        binding: ``thin`` or ``public``.
        code_file: File in memory with the strict engine's compiled module.
    """

    heap_bytes: int
    ceiling_bytes: int
    jail: tuple[str, ...] = ()
    binding: str = "thin"
    code_file: int | None = None


@dataclass(slots=True, kw_only=True)
class Call:
    """A call on its way.

    Attributes:
        header: As it was or will be sent.
        source: The script.
        data: The payload.
        future: Gets the outcome.
    """

    header: protocol.CallHeader
    source: bytes
    data: bytes
    future: "asyncio.Future[Outcome | None]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class WorkerProcess:
    """A worker. Calls are answered in the order in which they were sent; after a kill all get a failure or ``None``.

    Attributes:
        kind: What it is.
        report: What it proved; set by ``start``.
        killed: It was ended by us, or ended itself.
        was_killed: We ended it while it was working.
    """

    def __init__(self, kind: WorkerKind, plan: WorkerPlan) -> None:
        self.kind = kind
        self.report = LevelReport(level=Level.PROCESS)
        self.killed = self.was_killed = False
        self._plan = plan
        self._calls: deque[Call] = deque()
        self._numbers = 0
        self._cause: Failure | None = None
        self._first: asyncio.Future[protocol.ReadyHeader] | None = None
        self._gone = asyncio.Event()
        self._files: list[int] = []
        self._transport: Any = None
        self._watchdog: Watchdog | None = None
        self._data_bytes = self._allowed_bytes(plan.heap_bytes)
        self._process_id = 0
        self._input = self._output = -1
        self._output_size = 0

    async def start(self) -> None:
        """Start the process and wait until it has shut itself in.

        Raises:
            SandboxUnavailableError: It does not work here.
        """
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        ours.setblocking(False)  # noqa: FBT003 - the standard library's signature
        self._first = loop.create_future()
        self._input, self._output = _file("input"), _file("output")
        self._files = [self._input, self._output]
        try:
            self._process = self._launch(theirs)
        except OSError as error:
            ours.close()
            self._close_files()
            raise SandboxUnavailableError(f"A sandbox worker cannot be started: {error}") from error
        finally:
            theirs.close()
        connection = Connection(self._arrived, self._lost)
        connection.body_most = self._body_most
        connection.broken = self._broken
        self._transport, _ = await loop.create_unix_connection(lambda: connection, sock=ours)
        try:
            async with asyncio.timeout(BOOT_SECONDS):
                ready = await self._first
        except (TimeoutError, asyncio.CancelledError):
            await self.close()
            raise
        if ready.problem or not ready.level:
            words = self._last_words().decode(errors="replace").strip().rpartition("\n")[2]
            await self.close()
            ended = f"A sandbox worker ended with status {self._process.returncode} while it started: {words}"
            raise SandboxUnavailableError(ready.problem or ended, next_step=ready.next_step)
        self._begin(ready)

    def _begin(self, ready: protocol.ReadyHeader) -> None:
        attempts = tuple(Attempt(name=a.name, refused=a.refused, detail=a.detail) for a in ready.attempts)
        self.report = LevelReport(level=Level(ready.level), attempts=attempts, missing=ready.missing)
        inner = jail.child_of(self._process.pid) if self._plan.jail else self._process.pid
        self._process_id = inner or self._process.pid
        self._watchdog = Watchdog(self._process_id, self.kill)

    def _launch(self, theirs: socket.socket) -> subprocess.Popen[bytes]:
        plan = self._plan
        settings = protocol.WorkerSettings(
            engine=self.kind.engine,
            binding=plan.binding,
            stack_kibibytes=self.kind.stack_kibibytes,
            heap_bytes=plan.heap_bytes,
            data_bytes=self._allowed_bytes(plan.heap_bytes),
            data_ceiling_bytes=self._allowed_bytes(plan.ceiling_bytes),
            jail=bool(plan.jail),
            parent=os.getpid(),
            socket=theirs.fileno(),
            input_file=self._input,
            output_file=self._output,
            code_file=plan.code_file if self.kind.engine is Engine.STRICT else None,
        )
        passed = [theirs.fileno(), self._input, self._output]
        if settings.code_file is not None:
            passed.append(settings.code_file)
        return subprocess.Popen(  # noqa: S603 - our own interpreter and our own code
            [*plan.jail, *interpreter(), protocol.settings_text(settings)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env={"TZ": "UTC"},
            cwd="/",
            pass_fds=passed,
            start_new_session=True,
        )

    def _allowed_bytes(self, heap_bytes: int) -> int:
        """RLIMIT_DATA for a heap; V8's compilers reserve writable room for their code, which counts."""
        code = COMPILED_CODE_BYTES if self.kind.engine is Engine.FAST else 0
        return Limits(heap_bytes=heap_bytes).data_bytes + code

    @property
    def process_id(self) -> int:
        """Of the worker itself."""
        return self._process_id

    @property
    def healthy(self) -> bool:
        """Whether it may be called."""
        return not self.killed and not self._gone.is_set()

    async def call(self, calls: Sequence[Call]) -> list[Outcome | None]:
        """Send calls and wait for all of their outcomes; ``None`` for one that was never begun.

        A cancellation kills the worker.
        """
        try:
            for call in calls:
                await self._send(call)
            return [await call.future for call in calls]
        except asyncio.CancelledError:
            self.kill(failures.cancelled())
            raise

    async def _send(self, call: Call) -> None:
        header = call.header
        if header.shared:
            content = call.source + call.data
            if len(content) > _THREAD_ABOVE:
                await asyncio.to_thread(_write, self._input, content)
            else:
                _write(self._input, content)
        self._calls.append(call)
        if len(self._calls) == 1:
            self._begin_first()
        if not self.healthy:
            self._fail_all()
            return
        self._transport.write(
            protocol.frame(header) if header.shared else protocol.frame(header, call.source, call.data)
        )

    def _begin_first(self) -> None:
        limits = self._calls[0].header.limits
        wanted = self._allowed_bytes(max(limits.heap_bytes, self._plan.heap_bytes))
        if wanted != self._data_bytes and sys.platform == "linux":
            with contextlib.suppress(OSError, ValueError):
                resource.prlimit(
                    self._process_id, resource.RLIMIT_DATA, (wanted, self._allowed_bytes(self._plan.ceiling_bytes))
                )
            self._data_bytes = wanted
        if limits.output_bytes > max(self._output_size, protocol.SHARED_ABOVE):
            self._output_size = limits.output_bytes
            os.ftruncate(self._output, self._output_size)
        if self._watchdog is not None:
            self._watchdog.begin(limits)

    def _body_most(self) -> int:
        if not self._calls:
            return protocol.HEADER_MOST
        return max(self._calls[0].header.limits.output_bytes, protocol.SHARED_ABOVE)

    def _arrived(self, header: memoryview, body: memoryview) -> None:
        if self._first is not None and not self._first.done():
            self._first.set_result(protocol.read_ready(header))
            return
        if not self._calls:
            raise protocol.ProtocolError("an answer that nobody waits for")
        call = self._calls[0]
        answer = protocol.read_answer(header, len(body), call.header.number, call.header.limits)
        output = self._take(answer, body)
        self._calls.popleft()
        if call.header.shared:
            os.ftruncate(self._input, 0)
        if self._calls and not answer.last:
            self._begin_first()
        elif self._watchdog is not None:
            self._watchdog.end()
        if answer.last:
            self._leave_the_rest()
        if not call.future.done():
            call.future.set_result(self._outcome(call, answer, output))

    def _leave_the_rest(self) -> None:
        """The worker ends itself: what was sent after this call has not begun and can go to another worker."""
        self.killed = True
        while self._calls:
            call = self._calls.popleft()
            if not call.future.done():
                call.future.set_result(None)

    def _take(self, answer: protocol.AnswerHeader, body: memoryview) -> bytes | None:
        if not answer.succeeded:
            return None
        if not answer.shared_bytes:
            return bytes(body)
        output = os.pread(self._output, answer.shared_bytes, 0)
        if len(output) != answer.shared_bytes:
            raise protocol.ProtocolError("an output that is not there")
        # Frees the memory and leaves the size: the worker may write again, but not make it longer.
        os.ftruncate(self._output, 0)
        os.ftruncate(self._output, self._output_size)
        return output

    def _outcome(self, call: Call, answer: protocol.AnswerHeader, output: bytes | None) -> Outcome:
        return Outcome(
            output=output,
            failure=answer.failure,
            console=answer.console,
            console_truncated=answer.console_truncated,
            wall_milliseconds=answer.wall_milliseconds,
            cpu_milliseconds=answer.cpu_milliseconds,
            peak_memory_bytes=answer.peak_memory_bytes,
            engine=call.header.engine,
            level=self.report.level,
            fuel=answer.fuel,
        )

    def _broken(self, reason: str) -> None:
        self.kill(failures.violation(f"The sandbox worker did not keep to its protocol: it sent {reason}"))

    def kill(self, cause: Failure | None = None) -> None:
        """End the process at once; the call under way gets ``cause``."""
        if self._cause is None:
            self._cause = cause
        self.was_killed = self.was_killed or bool(self._calls)
        self.killed = True
        with contextlib.suppress(ProcessLookupError, PermissionError):
            self._process.send_signal(signal.SIGKILL)
        if self._process_id and self._process_id != self._process.pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(self._process_id, signal.SIGKILL)
        if self._transport is not None:
            self._transport.abort()  # Not waiting for the other end: whoever holds it may keep it open.

    def _lost(self) -> None:
        self._ending = asyncio.get_running_loop().create_task(self._after_end())

    async def _after_end(self) -> None:
        self.killed = True
        await self._reap()
        if self._first is not None and not self._first.done():
            self._first.set_result(protocol.unready("", "Install quilate[sandbox]; `quilate doctor` says more"))
        self._gone.set()
        self._fail_all()

    def _fail_all(self) -> None:
        """The first call gets what ended the worker, the others were never begun."""
        if self._calls:
            call = self._calls.popleft()
            cause = self._cause or failures.ended(self._process.poll(), self._last_words())
            if not call.future.done():
                call.future.set_result(self._failed(call, cause))
        self._leave_the_rest()
        if self._watchdog is not None:
            self._watchdog.close()

    def _failed(self, call: Call, cause: Failure) -> Outcome:
        wall = call.header.limits.wall_seconds * 1e3 if cause.kind is FailureClass.TIMEOUT else 0.0
        return Outcome(
            output=None, failure=cause, engine=call.header.engine, level=self.report.level, wall_milliseconds=wall
        )

    async def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _REAP_SECONDS
        pause = 0.001
        while self._process.poll() is None:
            if loop.time() > end:
                self._process.kill()
            await asyncio.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _last_words(self) -> bytes:
        if self._process.stderr is None or self._process.stderr.closed:
            return b""
        descriptor = self._process.stderr.fileno()
        os.set_blocking(descriptor, False)
        try:
            return os.read(descriptor, _LAST_WORDS)
        except OSError:
            return b""

    async def close(self) -> None:
        """End the process and free what it held; may be called twice."""
        self.kill(failures.cancelled())
        if self._transport is not None:
            await self._gone.wait()
        if self._watchdog is not None:
            self._watchdog.close()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._close_files()

    def _close_files(self) -> None:
        files, self._files = self._files, []
        for descriptor in files:
            os.close(descriptor)

    def number(self) -> int:
        """A number for the next call."""
        self._numbers += 1
        return self._numbers


def _file(name: str) -> int:
    """A file in memory, without a name."""
    return os.memfd_create(f"quilate-sandbox-{name}", os.MFD_CLOEXEC)


def _write(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    offset = 0
    while offset < len(view):
        offset += os.pwrite(descriptor, view[offset:], offset)


def interpreter() -> list[str]:
    """A bare Python that runs ``worker``: no environment, no site hooks, our own path."""
    paths = [path for path in sys.path if path]
    code = f"import sys;sys.path[:0]={paths!r};from quilate.sandbox.worker import main;main()"
    return [sys.executable, "-I", "-S", "-B", "-c", code]
