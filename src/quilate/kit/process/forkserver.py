"""A fork server: runs Python functions in isolated children within a millisecond or two each.

The server is forked once from a process that has its modules loaded (or started afresh where that process has
threads), is single-threaded, a subreaper, and the leader of a session of its own, so that Ctrl+C reaches only its
owner. Each job is a child of it in a session of its own and a subreaper itself. To end a job the server stops the
child, kills its whole tree, then the child; what a dead child leaves behind falls to the server, which ends every
process that it does not know. When the owner ends, however it ends, the server sees its socket close, ends all jobs
and goes.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from typing import Self

import msgspec

from quilate.domain.errors import InternalError
from quilate.kit.process.forkserver_protocol import (
    SERVER_FAULT,
    Command,
    FrameReader,
    JobOutcome,
    JobResult,
    frame,
)
from quilate.kit.process.ownership import release_reserved, reserve

_CLOSE_SECONDS = 20.0


class ForkServer:
    """The owner's end: submit jobs, receive results. Not to be shared between threads.

    Jobs see the environment variables and the working directory as they were at the start. One server serves any number
    of runs. A fork of the owner may close its copy but not use it.
    """

    def __init__(self, connection: socket.socket, process: int) -> None:
        self._owner = os.getpid()
        self._connection = connection
        self._process = process
        self._reader = FrameReader()
        self._selector = selectors.DefaultSelector()
        self._selector.register(connection, selectors.EVENT_READ)
        self._results: deque[JobResult] = deque()
        self._open_jobs: set[int] = set()
        self._last_job = 0
        self._closed = False
        self._fault: JobResult | None = None

    @classmethod
    def start(cls, *, preload: Sequence[str] = (), spares: int = 0) -> Self:
        """Start a server; ``preload`` names the modules that its jobs need.

        While it is idle the server keeps ``spares`` children ready, so that a job starts without waiting for a fork.

        A process with threads is not forked, since a lock held by another thread would stay locked in the child for
        ever; the server is then a fresh interpreter.
        """
        for name in preload:
            import_module(name)
        ours, theirs = socket.socketpair()
        if _single_threaded():
            process = reserve(lambda: _fork(ours, theirs, spares))
        else:
            process = reserve(lambda: _spawn(theirs, spares, preload))
        theirs.close()
        return cls(ours, process)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def fileno(self) -> int:
        """Return the descriptor that becomes readable when results are there."""
        return self._connection.fileno()

    def submit(self, target: str, payload: bytes, *, wall_seconds: float) -> int:
        """Run ``target`` (``"module:function"``, bytes to bytes) in a child; return the job's number.

        Raises:
            InternalError: The server is gone, or this process is a fork of its owner.
        """
        if os.getpid() != self._owner or self._closed:
            raise InternalError("this process has no fork server of its own")
        self._last_job += 1
        self._send(Command(job_id=self._last_job, target=target, payload=payload, wall_seconds=wall_seconds))
        self._open_jobs.add(self._last_job)
        return self._last_job

    def cancel(self, job_id: int) -> None:
        """End a job with all it has started; its result says ``cancelled`` unless it had ended before."""
        if job_id in self._open_jobs:
            self._send(Command(job_id=job_id))

    def _send(self, command: Command) -> None:
        try:
            self._connection.sendall(frame(command))
        except OSError as error:
            raise InternalError("the process that runs the checks is gone") from error

    def next_result(self, timeout: float | None) -> JobResult | None:
        """Return the next result, or ``None`` when the time-out (seconds; ``None``: for ever) comes first.

        Jobs of a server that died are reported as crashed. Without open jobs there is nothing to wait for: ``None``.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._results and self._open_jobs:
            left = None if deadline is None else max(deadline - time.monotonic(), 0)
            if not self._selector.select(left):
                return None
            self._receive()
        return self._results.popleft() if self._results else None

    def _receive(self) -> None:
        try:
            data = self._connection.recv(1 << 20)
        except ConnectionResetError:
            data = b""
        if not data:
            self._give_up()
        for content in self._reader.feed(data):
            result = msgspec.msgpack.decode(content, type=JobResult)
            if result.job_id == SERVER_FAULT:
                self._fault = result
            elif result.job_id in self._open_jobs:
                self._open_jobs.discard(result.job_id)
                self._results.append(result)

    def _give_up(self) -> None:
        """Answer for a server that is gone."""
        report = self._fault.report if self._fault else ""
        for job_id in sorted(self._open_jobs):
            lost = "the process that runs the checks died"
            self._results.append(JobResult(job_id=job_id, outcome=JobOutcome.CRASHED, error=lost, report=report))
        self._open_jobs.clear()

    def close(self) -> None:
        """End every job with all it has started, then the server."""
        if self._closed:
            return
        self._closed = True
        self._selector.close()
        if os.getpid() != self._owner:
            self._connection.close()
            return
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()
        self._open_jobs.clear()
        deadline = time.monotonic() + _CLOSE_SECONDS
        while not self._has_gone():
            if time.monotonic() > deadline:
                os.kill(self._process, signal.SIGKILL)
            time.sleep(0.0005)
        release_reserved(self._process)

    def _has_gone(self) -> bool:
        try:
            return os.waitpid(self._process, os.WNOHANG)[0] == self._process
        except ChildProcessError:
            return True


def _single_threaded() -> bool:
    """Tell whether this process may be forked; threads of native libraries count too where they can be seen."""
    try:
        return len(os.listdir("/proc/self/task")) == 1  # noqa: PTH208 - a count of names
    except OSError:
        return threading.active_count() == 1


def _fork(ours: socket.socket, theirs: socket.socket, spares: int) -> int:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    owner = os.getpid()
    process = os.fork()
    if process == 0:
        from quilate.kit.process.forkserver_loop import serve_and_exit  # noqa: PLC0415 - the server's side only

        ours.close()
        serve_and_exit(theirs, spares=spares, forked_from=owner)
    return process


def _spawn(theirs: socket.socket, spares: int, preload: Sequence[str]) -> int:
    argv = [sys.executable, "-m", "quilate.kit.process.forkserver_loop", str(theirs.fileno()), str(spares), *preload]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    process = subprocess.Popen(  # noqa: S603 - this interpreter with our own module
        argv, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL
    )
    # The server is waited for by its process id, as a forked one is; Popen must not warn that nobody did.
    process.returncode = 0
    return process.pid
