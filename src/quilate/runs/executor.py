"""Start checks and collect how they ended: in children of a fork server, or in threads for the trivial ones."""

import os
import queue
import selectors
import socket
import threading
import time
import traceback
from collections.abc import Mapping
from typing import Protocol

import msgspec

from quilate.blueprints.model import PlannedCheck
from quilate.checks.api import Isolation
from quilate.checks.context import ContextSpec
from quilate.checks.execution import ExecutionAnswer, encode_spec, execute_document
from quilate.domain.ids import CheckId
from quilate.domain.verdict import Completion
from quilate.kit.process.forkserver import ForkServer
from quilate.kit.process.forkserver_protocol import JobOutcome, JobResult
from quilate.runs.state import Attempt

_TARGET = "quilate.checks.execution:execute_document"
_GRACE_SECONDS = 5.0

_ANSWER = msgspec.json.Decoder(ExecutionAnswer)
"""A check's tools end at its time-out and say so; its own process is ended this much later if it hangs itself."""


class Executor(Protocol):
    """Runs checks; ``next_completions`` blocks until at least one of those under way has ended."""

    def start(self, check: PlannedCheck, spec: ContextSpec) -> None:
        """Start a check."""
        ...

    def next_completions(self, timeout: float | None = None) -> Mapping[CheckId, Attempt]:
        """Return the checks that have ended since the last call; empty when the time-out came first."""
        ...

    def close(self) -> None:
        """End everything that is still running."""
        ...


class LocalExecutor:
    """Children of one fork server and a few threads, at most ``concurrency`` checks at a time."""

    def __init__(self, *, concurrency: int | None = None, server: ForkServer | None = None) -> None:
        # Twice the processors: checks wait for tools, files and endpoints about as much as they compute.
        self._concurrency = concurrency or max(4, 2 * (os.cpu_count() or 2))
        self._server = server
        self._owns_server = server is None
        self._waiting: list[tuple[PlannedCheck, ContextSpec]] = []
        self._jobs: dict[int, CheckId] = {}
        self._threads: dict[CheckId, float] = {}
        self._exclusive: CheckId | None = None
        self._closed = False
        self._ended: queue.SimpleQueue[tuple[CheckId, Attempt]] = queue.SimpleQueue()
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)  # noqa: FBT003 - the signature is the standard library's
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._wake_reader, selectors.EVENT_READ)
        if server is not None:
            self._selector.register(server.fileno(), selectors.EVENT_READ)

    def start(self, check: PlannedCheck, spec: ContextSpec) -> None:
        """Start a check, or put it in line while as many as allowed are running."""
        self._waiting.append((check, spec))
        self._fill()

    def _fill(self) -> None:
        while (chosen := self._next_in_line()) is not None:
            check, spec = self._waiting.pop(chosen)
            if check.isolation is Isolation.EXCLUSIVE:
                self._exclusive = check.id
            payload = encode_spec(spec)
            if check.isolation is Isolation.THREAD:
                self._threads[check.id] = time.monotonic() + spec.timeout_seconds
                # A daemon: a thread cannot be ended, so one that outlives its time-out must not keep the process.
                threading.Thread(target=self._run_in_thread, args=(check.id, payload), daemon=True).start()
            else:
                job = self._fork_server().submit(_TARGET, payload, wall_seconds=spec.timeout_seconds + _GRACE_SECONDS)
                self._jobs[job] = check.id

    def _next_in_line(self) -> int | None:
        """Return the place in line of the check to start now: exclusive ones when, and while, nothing else runs."""
        running = len(self._jobs) + len(self._threads)
        if self._exclusive is not None or running >= self._concurrency:
            return None
        for place, (check, _) in enumerate(self._waiting):
            if check.isolation is not Isolation.EXCLUSIVE:
                return place
        return 0 if self._waiting and not running else None

    def prepare(self) -> None:
        """Start the fork server ahead, so that it has children ready by the time that the first check is."""
        self._fork_server()

    def _fork_server(self) -> ForkServer:
        if self._server is None:
            self._server = ForkServer.start(preload=("quilate.checks.execution",), spares=self._concurrency)
            self._selector.register(self._server.fileno(), selectors.EVENT_READ)
        return self._server

    def _run_in_thread(self, check_id: CheckId, payload: bytes) -> None:
        begin = time.monotonic()
        try:
            attempt = attempt_of_answer(execute_document(payload), time.monotonic() - begin)
        except BaseException as error:  # noqa: BLE001 - whatever a check throws becomes its result, never a lost check
            attempt = _fault(f"{type(error).__name__}: {error}", traceback.format_exc(), time.monotonic() - begin)
        self._ended.put((check_id, attempt))
        try:
            self._wake_writer.send(b"\0")
        except OSError:
            return  # The run has been cancelled and nobody waits for this thread any more.

    def next_completions(self, timeout: float | None = None) -> Mapping[CheckId, Attempt]:
        """Return what has ended; see ``Executor``."""
        found: dict[CheckId, Attempt] = {}
        self._collect(found)
        if not found:
            self._selector.select(self._patience(timeout))
            self._collect(found)
        self._fill()
        return found

    def _patience(self, timeout: float | None) -> float | None:
        limits = [limit - time.monotonic() for limit in self._threads.values()]
        if timeout is not None:
            limits.append(timeout)
        return max(min(limits), 0.0) if limits else None

    def _collect(self, found: dict[CheckId, Attempt]) -> None:
        try:
            while self._wake_reader.recv(4096):
                pass
        except BlockingIOError:
            pass
        while not self._ended.empty():
            check_id, attempt = self._ended.get()
            if self._threads.pop(check_id, None) is not None:
                found[check_id] = attempt
        for check_id, limit in list(self._threads.items()):
            if time.monotonic() >= limit:
                del self._threads[check_id]
                found[check_id] = Attempt(completion=Completion.TIMED_OUT, reason="ran longer than its time-out")
        while self._server is not None and self._jobs:
            result = self._server.next_result(timeout=0)
            if result is None:
                return
            check_id = self._jobs.pop(result.job_id)
            if check_id == self._exclusive:
                self._exclusive = None
            found[check_id] = attempt_of_job(result)

    def close(self) -> None:
        """End everything that is still running, with every process that it started; a second time does nothing."""
        if self._closed:
            return
        self._closed = True
        if self._server is not None:
            if self._owns_server:
                self._server.close()
            else:
                for job in self._jobs:
                    self._server.cancel(job)
                while self._jobs:
                    result = self._server.next_result(timeout=None)
                    if result is None:
                        break
                    self._jobs.pop(result.job_id, None)
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()


def attempt_of_answer(answer: bytes, duration: float) -> Attempt:
    """Return the attempt that a check's answer stands for."""
    decoded = _ANSWER.decode(answer)
    if decoded.evidence is not None:
        return Attempt(completion=Completion.COMPLETED, evidence=decoded.evidence, duration_seconds=duration)
    completion = Completion.TIMED_OUT if decoded.timed_out else Completion.ERROR
    return Attempt(
        completion=completion,
        reason=decoded.error,
        next_step=decoded.next_step,
        duration_seconds=duration,
        report=decoded.report,
    )


def attempt_of_job(result: JobResult) -> Attempt:
    """Return the attempt that a fork server's job stands for."""
    duration = result.duration_seconds
    if result.outcome is JobOutcome.EXITED and result.answer is not None:
        try:
            return attempt_of_answer(result.answer, duration)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return _fault("the check's process sent an answer that cannot be read", result.report, duration)
    if result.outcome is JobOutcome.TIMED_OUT:
        return Attempt(
            completion=Completion.TIMED_OUT,
            reason="ran longer than its time-out and was ended with all it had started",
            next_step="give the check a longer `timeout`, or find out what hangs",
            duration_seconds=duration,
        )
    if result.outcome is JobOutcome.CANCELLED:
        return Attempt(completion=Completion.CANCELLED, reason="the run was cancelled", duration_seconds=duration)
    return _fault(result.error or "the check's process died", result.report, duration)


def _fault(what: str, report: str, duration: float) -> Attempt:
    return Attempt(
        completion=Completion.ERROR,
        reason=f"internal error in the check: {what}",
        next_step="`quilate explain` names the report; please attach it to an issue",
        duration_seconds=duration,
        report=report,
    )
