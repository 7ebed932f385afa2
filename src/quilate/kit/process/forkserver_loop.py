"""The fork server's own side: one loop over the owner's socket, the children's pipes and their ends."""

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from importlib import import_module
from typing import IO, NoReturn

import msgspec

from quilate.kit.process.forkserver import Command, FrameReader, JobOutcome, JobResult, frame
from quilate.kit.process.tree import become_subreaper, die_with_parent, end_descendants

_KEPT_OUTPUT = 64 << 10
"""The tail of what a child prints that goes into the report, in bytes."""

_PIECE = 1 << 18


@dataclass(slots=True, kw_only=True)
class _Job:
    """A child under way."""

    job_id: int
    process: int
    pipe: int
    output: IO[bytes]
    begin: float
    deadline: float
    answer: bytearray = field(default_factory=bytearray)


def serve_and_exit(connection: socket.socket) -> NoReturn:
    """Serve until the owner's end closes, then end everything and leave."""
    code = 1
    try:
        os.setsid()
        die_with_parent()
        become_subreaper()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _silence()
        _Server(connection).loop()
        code = 0
    except Exception:  # noqa: BLE001 - nobody is above: whatever happens, leave nothing running
        traceback.print_exc()
    finally:
        end_descendants(os.getpid())
        os._exit(code)


def _silence() -> None:
    """Let go of the owner's terminal or pipe, so that a reader of it sees its end although the server lives."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    os.close(null)


def _capture_file() -> IO[bytes]:
    """Return a file without a name for what a child prints; in memory where the system has such files."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("quilate-output"), "w+b")
    return tempfile.TemporaryFile()


class _Server:
    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._reader = FrameReader()
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._jobs: dict[int, _Job] = {}
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_reader, False)
        os.set_blocking(self._wake_writer, False)
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        self._open = True
        gc.freeze()  # The children share what is loaded; a collection in each would copy it page by page.

    def loop(self) -> None:
        while self._open:
            for key, _ in self._selector.select(self._patience()):
                if key.fileobj is self._connection:
                    self._take_commands()
                elif key.fileobj == self._wake_reader:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_reader, 4096)
                else:
                    self._read_answer(key.data)
            self._collect()
            now = time.monotonic()
            for job in [job for job in self._jobs.values() if now >= job.deadline]:
                self._end(job, JobOutcome.TIMED_OUT)

    def _patience(self) -> float | None:
        if not self._jobs:
            return None
        return max(min(job.deadline for job in self._jobs.values()) - time.monotonic(), 0.0)

    def _take_commands(self) -> None:
        try:
            data = self._connection.recv(_PIECE)
        except ConnectionResetError:
            data = b""
        if not data:
            self._open = False
            return
        for content in self._reader.feed(data):
            command = msgspec.msgpack.decode(content, type=Command)
            if command.target:
                self._start(command)
            else:
                job = next((job for job in self._jobs.values() if job.job_id == command.job_id), None)
                if job is not None:
                    self._end(job, JobOutcome.CANCELLED)

    def _start(self, command: Command) -> None:
        reader, writer = os.pipe()
        output = _capture_file()
        begin = time.monotonic()
        process = os.fork()
        if process == 0:
            self._become_child(writer, output)
            _run_and_exit(command, writer)
        os.close(writer)
        os.set_blocking(reader, False)
        job = _Job(
            job_id=command.job_id,
            process=process,
            pipe=reader,
            output=output,
            begin=begin,
            deadline=begin + command.wall_seconds,
        )
        self._jobs[process] = job
        self._selector.register(reader, selectors.EVENT_READ, job)

    def _become_child(self, writer: int, output: IO[bytes]) -> None:
        os.setsid()
        die_with_parent()
        become_subreaper()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGINT, signal.SIGCHLD, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        self._connection.close()
        self._selector.close()
        for descriptor in (self._wake_reader, self._wake_writer, *(job.pipe for job in self._jobs.values())):
            os.close(descriptor)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
        del writer

    def _read_answer(self, job: _Job) -> None:
        with contextlib.suppress(BlockingIOError):
            piece = os.read(job.pipe, _PIECE)
            job.answer += piece
            if not piece:
                self._selector.unregister(job.pipe)

    def _collect(self) -> None:
        """Take note of children that have ended, and end whatever they left behind."""
        ended = []
        for process, job in self._jobs.items():
            done, status = os.waitpid(process, os.WNOHANG)
            if done:
                ended.append((job, os.waitstatus_to_exitcode(status)))
        if not ended:
            return
        for job, _ in ended:
            del self._jobs[job.process]
        left_behind = end_descendants(os.getpid(), spare=frozenset(self._jobs))
        for job, code in ended:
            while True:
                try:
                    piece = os.read(job.pipe, _PIECE)
                except BlockingIOError:
                    break
                if not piece:
                    break
                job.answer += piece
            self._send(self._result(job, code, left_behind))

    def _end(self, job: _Job, outcome: JobOutcome) -> None:
        """Stop the child so that it cannot start more, end its tree, then the child itself."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.process, signal.SIGSTOP)
        ended = end_descendants(job.process)
        with contextlib.suppress(ProcessLookupError):
            os.kill(job.process, signal.SIGKILL)
        os.waitpid(job.process, 0)
        del self._jobs[job.process]
        ended += end_descendants(os.getpid(), spare=frozenset(self._jobs))
        self._send(
            JobResult(
                job_id=job.job_id,
                outcome=outcome,
                error="ran out of time" if outcome is JobOutcome.TIMED_OUT else "was cancelled",
                report=self._printed(job),
                duration_seconds=time.monotonic() - job.begin,
                descendants_ended=ended,
            )
        )

    def _result(self, job: _Job, code: int, left_behind: int) -> JobResult:
        duration = time.monotonic() - job.begin
        printed = self._printed(job)
        kind, content = bytes(job.answer[:1]), bytes(job.answer[1:])
        if code == 0 and kind == b"A":
            return JobResult(
                job_id=job.job_id,
                outcome=JobOutcome.EXITED,
                answer=content,
                report=printed,
                duration_seconds=duration,
                descendants_ended=left_behind,
            )
        if code == 0 and kind == b"E":
            told = json.loads(content)
            outcome, error, report = JobOutcome.RAISED, told["error"], told["traceback"] + printed
        else:
            ending = f"signal {-code}" if code < 0 else f"exit code {code}"
            outcome, error, report = JobOutcome.CRASHED, f"the process died with {ending}", printed
        return JobResult(
            job_id=job.job_id,
            outcome=outcome,
            error=error,
            report=report,
            duration_seconds=duration,
            descendants_ended=left_behind,
        )

    def _printed(self, job: _Job) -> str:
        with job.output as output:
            size = output.seek(0, os.SEEK_END)
            output.seek(max(size - _KEPT_OUTPUT, 0))
            content = output.read()
        with contextlib.suppress(KeyError):
            self._selector.unregister(job.pipe)
        os.close(job.pipe)
        return content.decode("utf-8", "replace")

    def _send(self, result: JobResult) -> None:
        try:
            self._connection.sendall(frame(result))
        except OSError:
            self._open = False


def _run_and_exit(command: Command, writer: int) -> NoReturn:
    """Call the target in this child, send the answer, and leave without running anything of the parent's."""
    try:
        module, name = command.target.split(":")
        answer = b"A" + getattr(import_module(module), name)(command.payload)
    except BaseException as error:  # noqa: BLE001 - a fault of the job is its result
        told = {"error": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
        answer = b"E" + json.dumps(told).encode()
    with contextlib.suppress(OSError):
        sent = 0
        while sent < len(answer):
            sent += os.write(writer, answer[sent : sent + _PIECE])
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    for module_name in sys.argv[2:]:
        import_module(module_name)
    serve_and_exit(socket.socket(fileno=int(sys.argv[1])))
