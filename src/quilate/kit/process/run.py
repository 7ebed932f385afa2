"""Run one program as an isolated child: bounded in time, memory and output, with an end for every descendant."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult
from quilate.kit.process.ownership import MARK, Claim
from quilate.kit.process.tree import become_subreaper, descendants_of, end_descendants, resident_bytes

_BEAT_SECONDS = 0.2
"""How often memory is sampled, and the end looked for where the kernel has no process descriptors."""

_PIECE = 1 << 18


def run_process(  # noqa: PLR0913 - one argument for each thing that a caller may choose
    argv: Sequence[str],
    *,
    directory: Path,
    environment: Mapping[str, str],
    limits: ProcessLimits,
    stdin: bytes = b"",
    listener: Callable[[bytes], None] | None = None,
) -> ProcessResult:
    """Run ``argv`` to its end and return what it left; every process that it started has ended then.

    The caller becomes a subreaper, so that daemons which left session and process group are found too. What the caller
    has started otherwise is spared (see ``ownership``); any thread may call, several at a time. On macOS, which has no
    subreapers, a daemon that left both session and parent is out of reach.

    The program's environment is ``environment`` and one variable more, by which its descendants are known; an empty one
    stays empty.

    Args:
        argv: Program and arguments, never read by a shell.
        directory: Where it runs.
        environment: Its whole environment.
        limits: What it may use.
        stdin: What it reads; nothing by default.
        listener: Is given each piece of output, of both streams, as it comes; it must not block.

    Raises:
        OSError: The program cannot be started.
    """
    become_subreaper()
    claim = Claim()
    begin = time.monotonic()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 - the caller's argv, never a shell
            list(argv),
            cwd=directory,
            env={**environment, MARK: claim.mark} if environment else {},
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    with claim.start(start) as process:
        try:
            outcome, streams, ended = _Watch(process, limits, claim, stdin, listener).until_end()
        except BaseException:
            _end_all(process, claim)
            raise
        finally:
            claim.release()
    return ProcessResult(
        argv=tuple(argv),
        outcome=outcome,
        returncode=process.returncode,
        stdout=bytes(streams[0].kept),
        stderr=bytes(streams[1].kept),
        stdout_truncated=streams[0].truncated,
        stderr_truncated=streams[1].truncated,
        duration_seconds=time.monotonic() - begin,
        descendants_ended=ended,
    )


def _end_all(process: subprocess.Popen[bytes], claim: Claim) -> int:
    """End the program with all that descends from it; return how many others than itself had to be ended."""
    ended = end_descendants(os.getpid(), spares=claim.spares, uncollected=(process.pid,))
    if sys.platform != "linux":
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return len(ended - {process.pid})


class _Stream:
    """One output stream: its beginning is kept, the rest is read and thrown away."""

    def __init__(self, pipe: IO[bytes], limit: int, listener: Callable[[bytes], None] | None) -> None:
        self.pipe = pipe
        self._listener = listener
        self.kept = bytearray()
        self.truncated = False
        self._limit = limit
        os.set_blocking(pipe.fileno(), False)

    def read(self) -> bool:
        """Read what is there; return whether more may come."""
        try:
            piece = os.read(self.pipe.fileno(), _PIECE)
        except BlockingIOError:
            return True
        room = self._limit - len(self.kept)
        self.kept += piece[:room]
        self.truncated |= len(piece) > room
        if piece and self._listener is not None:
            self._listener(piece)
        return bool(piece)

    def drain(self) -> None:
        """Read what is left in the pipe without waiting for more."""
        before = -1
        while len(self.kept) != before and not self.truncated:
            before = len(self.kept)
            if not self.read():
                return


class _Watch:
    """Watches one child: its output, its end, its time and its memory."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        limits: ProcessLimits,
        claim: Claim,
        stdin: bytes,
        listener: Callable[[bytes], None] | None,
    ) -> None:
        self._process = process
        self._limits = limits
        self._claim = claim
        self._stdin = memoryview(stdin)
        self._deadline = time.monotonic() + limits.wall_seconds
        self._next_sample = 0.0
        self._selector = selectors.DefaultSelector()
        assert process.stdout is not None  # noqa: S101 - piped above, told to the type checker
        assert process.stderr is not None  # noqa: S101 - as above
        self._streams = (
            _Stream(process.stdout, limits.output_bytes, listener),
            _Stream(process.stderr, limits.output_bytes, listener),
        )
        for stream in self._streams:
            self._selector.register(stream.pipe, selectors.EVENT_READ, stream)
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)
        self._descriptor = self._process_descriptor()

    def _process_descriptor(self) -> int | None:
        with contextlib.suppress(AttributeError, OSError):
            descriptor = os.pidfd_open(self._process.pid)
            self._selector.register(descriptor, selectors.EVENT_READ)
            return descriptor
        return None

    def until_end(self) -> tuple[ProcessOutcome, tuple[_Stream, _Stream], int]:
        """Wait for the end; return how it came, what was printed, and how many other processes had to be ended."""
        outcome = ProcessOutcome.EXITED
        try:
            while self._process.poll() is None:
                self._serve(self._patience())
                if time.monotonic() >= self._deadline:
                    outcome = ProcessOutcome.TIMED_OUT
                    break
                if self._memory_exceeded():
                    outcome = ProcessOutcome.MEMORY_EXCEEDED
                    break
            ended = _end_all(self._process, self._claim)
            for stream in self._streams:
                stream.drain()
        finally:
            self._selector.close()
            if self._descriptor is not None:
                os.close(self._descriptor)
        if outcome is ProcessOutcome.EXITED and self._process.returncode < 0:
            outcome = ProcessOutcome.SIGNALLED
        return outcome, self._streams, ended

    def _patience(self) -> float:
        left = max(self._deadline - time.monotonic(), 0.0)
        sampled = self._limits.memory_bytes is not None or self._descriptor is None
        return min(left, _BEAT_SECONDS) if sampled else left

    def _serve(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if isinstance(key.data, _Stream):
                if not key.data.read():
                    self._selector.unregister(key.fileobj)
            elif key.fileobj is self._process.stdin:
                self._feed()

    def _feed(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None  # noqa: S101 - only registered where it is piped
        try:
            written = os.write(pipe.fileno(), self._stdin[:_PIECE])
            self._stdin = self._stdin[written:]
        except BlockingIOError:
            return
        except BrokenPipeError:
            self._stdin = self._stdin[:0]
        if not self._stdin:
            self._selector.unregister(pipe)
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def _memory_exceeded(self) -> bool:
        limit = self._limits.memory_bytes
        now = time.monotonic()
        if limit is None or now < self._next_sample:
            return False
        self._next_sample = now + _BEAT_SECONDS
        return resident_bytes(descendants_of(os.getpid(), spares=self._claim.spares)) > limit
