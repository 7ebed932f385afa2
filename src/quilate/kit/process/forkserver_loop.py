"""The fork server's own side: one loop over the owner's socket, the children's pipes and their ends."""

import contextlib
import gc
import os
import selectors
import signal
import socket
import sys
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass, field
from importlib import import_module
from typing import NoReturn

import msgspec

from quilate.kit.process.forkserver_job import open_standard_streams, run_and_exit
from quilate.kit.process.forkserver_protocol import (
    SERVER_FAULT,
    Command,
    FrameReader,
    JobOutcome,
    JobResult,
    frame,
)
from quilate.kit.process.tree import become_subreaper, end_descendants, signal_when_parent_ends

MAX_ANSWER_BYTES = 256 << 20
"""A job whose answer grows beyond 256 MiB is ended."""
KEPT_OUTPUT_BYTES = 64 << 10
"""The tail of what a job prints that goes into its report."""

_PIECE = 1 << 18
_SPARE_COMMAND_BYTES = 32 << 10
"""A longer command is not handed to a waiting child: it might not fit into the pipe at once, and the server must not
wait for anybody."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Pipe:
    """What comes out of one pipe of a job: all of it up to ``most``, or with ``tail`` only the end of that length."""

    descriptor: int
    most: int
    tail: bool
    content: bytearray = field(default_factory=bytearray)

    def read(self) -> int | None:
        """Read what is there; return how many bytes came, 0 at the end, and ``None`` when there is nothing yet."""
        try:
            piece = os.read(self.descriptor, _PIECE)
        except BlockingIOError:
            return None
        self.content += piece
        if self.tail and len(self.content) > self.most:
            del self.content[: -self.most]
        return len(piece)

    def drain(self) -> None:
        """Read what is left once all writers have ended, which is at most a pipe full."""
        while self.read():
            pass


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Child:
    """A forked child with the server's ends of its pipes; ``commands`` is where one that is kept ready listens."""

    process: int
    answer: int
    output: int
    commands: int = -1

    def close(self) -> None:
        """Let go of it: it leaves by itself."""
        _close(self.answer, self.output, self.commands)


@dataclass(slots=True, kw_only=True, eq=False)
class _Job:
    """A child under way."""

    job_id: int
    process: int
    answer: _Pipe
    output: _Pipe
    begin: float
    deadline: float


def serve_and_exit(connection: socket.socket, *, spares: int = 0, forked_from: int = 0) -> NoReturn:
    """Serve until the owner's end closes, then end everything and leave.

    ``spares`` is how many children are kept ready while the server is idle.
    ``forked_from`` is the owner's process id where this process is a fork of it, with all of its descriptors.
    """
    code = 1
    server = None
    try:
        os.setsid()
        become_subreaper()
        _let_go(connection.fileno())
        open_standard_streams()
        server = _Server(connection, spares)
        if forked_from:
            # Not SIGKILL: the jobs have to be ended first. Without a fork the starting thread may end before the owner.
            signal_when_parent_ends(signal.SIGTERM)
        if not forked_from or os.getppid() == forked_from:
            server.loop()
        code = 0
    except Exception as error:  # noqa: BLE001 - nobody is above: tell the owner, leave nothing running
        fault = JobResult(job_id=SERVER_FAULT, outcome=JobOutcome.CRASHED, error=str(error), report=_trace(error))
        with contextlib.suppress(OSError):
            connection.send(frame(fault))
    finally:
        end_descendants(os.getpid())
        os._exit(code)


def _trace(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))


def _let_go(connection: int) -> None:
    """Turn every inherited descriptor but the connection into the null device.

    The owner's terminal, pipes, locks and sockets must not stay open for the server's sake. They are replaced instead
    of closed, so that an object of the owner's which closes its number later does not close one of ours.
    """
    gc.freeze()  # The children share what is loaded; a collection in each would copy it page by page.
    null = os.open(os.devnull, os.O_RDWR)
    listing = "/proc/self/fd" if sys.platform == "linux" else "/dev/fd"
    for descriptor in map(int, os.listdir(listing)):  # noqa: PTH208 - numbers, not paths
        if descriptor not in {null, connection}:
            with contextlib.suppress(OSError):
                os.fstat(descriptor)
                os.dup2(null, descriptor, inheritable=descriptor <= 2)  # noqa: PLR2004 - the three standard streams
    os.close(null)


class _Server:
    def __init__(self, connection: socket.socket, spares: int) -> None:
        self._connection = connection
        self._wanted_spares = spares
        self._spares: dict[int, _Child] = {}
        os.set_blocking(connection.fileno(), False)
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._jobs: dict[int, _Job] = {}
        self._open = True
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        for number in (signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)

    def _stop(self, _number: int, _frame: object) -> None:
        self._open = False

    def loop(self) -> None:
        """Serve until the owner's end closes or this process is told to stop."""
        while self._open:
            wants_spare = len(self._spares) < self._wanted_spares
            ready = self._selector.select(0 if wants_spare else self._patience())
            if wants_spare and not ready:
                self._keep_ready()
            for key, events in ready:
                self._serve(key, events)
            self._collect()
            self._end_what_is_beyond_its_bounds()

    def _serve(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._connection:
            self._talk(events)
        elif key.fileobj == self._wake_reader:
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_reader, 4096)
        elif key.data.read() == 0:
            self._selector.unregister(key.fileobj)

    def _end_what_is_beyond_its_bounds(self) -> None:
        now = time.monotonic()
        for job in [*self._jobs.values()]:
            if now >= job.deadline:
                self._end(job, JobOutcome.TIMED_OUT, "ran out of time")
            elif len(job.answer.content) > job.answer.most:
                self._end(job, JobOutcome.CRASHED, f"its answer has more than {job.answer.most} bytes")

    def _patience(self) -> float | None:
        if not self._jobs:
            return None
        return max(min(job.deadline for job in self._jobs.values()) - time.monotonic(), 0.0)

    def _talk(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush()
        if events & selectors.EVENT_READ:
            try:
                data = self._connection.recv(_PIECE)
            except BlockingIOError:
                return
            except ConnectionResetError:
                data = b""
            self._open &= bool(data)
            for content in self._reader.feed(data):
                self._obey(msgspec.msgpack.decode(content, type=Command))

    def _obey(self, command: Command) -> None:
        if command.target:
            try:
                self._start(command)
            except OSError as error:
                refused = f"the process could not be started: {error.strerror}"
                self._send(JobResult(job_id=command.job_id, outcome=JobOutcome.CRASHED, error=refused))
            return
        self._collect()
        for job in [*self._jobs.values()]:
            if job.job_id == command.job_id:
                self._end(job, JobOutcome.CANCELLED, "was cancelled")

    def _start(self, command: Command) -> None:
        begin = time.monotonic()
        child = self._handed_to_spare(command) or self._fork(command)
        job = _Job(
            job_id=command.job_id,
            process=child.process,
            answer=_Pipe(descriptor=child.answer, most=MAX_ANSWER_BYTES, tail=False),
            output=_Pipe(descriptor=child.output, most=KEPT_OUTPUT_BYTES, tail=True),
            begin=begin,
            deadline=begin + command.wall_seconds,
        )
        self._jobs[child.process] = job
        for pipe in (job.answer, job.output):
            os.set_blocking(pipe.descriptor, False)
            self._selector.register(pipe.descriptor, selectors.EVENT_READ, pipe)

    def _fork(self, command: Command | None) -> _Child:
        """Fork a child for a command, or without one a child that waits for it."""
        answer_reader, answer_writer = os.pipe()
        output_reader, output_writer = os.pipe()
        command_reader, command_writer = os.pipe() if command is None else (-1, -1)
        try:
            process = os.fork()
        except OSError:
            _close(answer_reader, answer_writer, output_reader, output_writer, command_reader, command_writer)
            raise
        if process == 0:
            self._selector.close()
            _close(self._connection.detach(), self._wake_reader, self._wake_writer)
            _close(answer_reader, output_reader, command_writer)
            _close(*(pipe.descriptor for job in self._jobs.values() for pipe in (job.answer, job.output)))
            for spare in self._spares.values():
                spare.close()
            run_and_exit(command_reader if command is None else command, answer=answer_writer, output=output_writer)
        _close(answer_writer, output_writer, command_reader)
        return _Child(process=process, answer=answer_reader, output=output_reader, commands=command_writer)

    def _keep_ready(self) -> None:
        """Fork what is missing in a row: what the server touches between two forks is copied page by page."""
        while len(self._spares) < self._wanted_spares:
            try:
                spare = self._fork(None)
            except OSError:
                self._wanted_spares = 0  # The system has no room for children that only wait.
                return
            self._spares[spare.process] = spare

    def _handed_to_spare(self, command: Command) -> _Child | None:
        content = frame(command)
        if len(content) > _SPARE_COMMAND_BYTES:
            return None
        while self._spares:
            _, spare = self._spares.popitem()
            try:
                os.write(spare.commands, content)
            except OSError:
                spare.close()
                continue
            _close(spare.commands)
            return spare
        return None

    def _is_ours(self, process: int) -> bool:
        return process in self._jobs or process in self._spares

    def _collect(self) -> None:
        """Take note of children that have ended, and end whatever they left behind."""
        for spare in [*self._spares.values()]:
            if os.waitpid(spare.process, os.WNOHANG)[0]:
                self._spares.pop(spare.process).close()
        ended = []
        for job in [*self._jobs.values()]:
            done, status = os.waitpid(job.process, os.WNOHANG)
            if done:
                del self._jobs[job.process]
                ended.append((job, os.waitstatus_to_exitcode(status)))
        if ended:
            left_behind = end_descendants(os.getpid(), spares=self._is_ours)
            for job, code in ended:
                self._report(job, code, len(left_behind))

    def _report(self, job: _Job, code: int, left_behind: int) -> None:
        job.answer.drain()
        kind, content = bytes(job.answer.content[:1]), bytes(job.answer.content[1:])
        if code == 0 and kind == b"A":
            self._finish(job, JobOutcome.EXITED, ended=left_behind, answer=content)
        elif code == 0 and kind == b"E":
            error, _, report = content.decode().partition("\0")
            self._finish(job, JobOutcome.RAISED, error, ended=left_behind, report=report)
        else:
            ending = f"signal {_signal_name(-code)}" if code < 0 else f"exit code {code}"
            self._finish(job, JobOutcome.CRASHED, f"the process died with {ending}", ended=left_behind)

    def _end(self, job: _Job, outcome: JobOutcome, error: str) -> None:
        """Stop the child so that it starts no more and keeps its orphans, end its tree, then the child itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.process, signal.SIGSTOP)
        ended = end_descendants(job.process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.process, signal.SIGKILL)
        os.waitpid(job.process, 0)
        del self._jobs[job.process]
        ended |= end_descendants(os.getpid(), spares=self._is_ours)
        self._finish(job, outcome, error, ended=len(ended))

    def _finish(  # noqa: PLR0913 - one argument per column of the result
        self,
        job: _Job,
        outcome: JobOutcome,
        error: str = "",
        *,
        ended: int,
        answer: bytes | None = None,
        report: str = "",
    ) -> None:
        job.output.drain()
        for pipe in (job.answer, job.output):
            with contextlib.suppress(KeyError):
                self._selector.unregister(pipe.descriptor)
            os.close(pipe.descriptor)
        self._send(
            JobResult(
                job_id=job.job_id,
                outcome=outcome,
                answer=answer,
                error=error,
                report=report + job.output.content.decode("utf-8", "replace"),
                duration_seconds=time.monotonic() - job.begin,
                descendants_ended=ended,
            )
        )

    def _send(self, result: JobResult) -> None:
        self._unsent += frame(result)
        self._flush()

    def _flush(self) -> None:
        """Send as much as the owner takes now: a server that waited for it would not read what the owner sends."""
        try:
            while self._unsent:
                del self._unsent[: self._connection.send(memoryview(self._unsent)[:_PIECE].tobytes())]
        except BlockingIOError:
            pass
        except OSError:
            self._open = False
        waiting = selectors.EVENT_WRITE if self._unsent else 0
        self._selector.modify(self._connection, selectors.EVENT_READ | waiting)


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        if descriptor >= 0:
            os.close(descriptor)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def _main(arguments: Iterable[str]) -> None:
    descriptor, spares, *modules = arguments
    for name in modules:
        import_module(name)
    serve_and_exit(socket.socket(fileno=int(descriptor)), spares=int(spares))


if __name__ == "__main__":
    _main(sys.argv[1:])
