"""Where a worker's checks run: each in a child of a fork server, or together in one warm process for trivial ones.

A lane calls ``ended`` on the event loop with the job and its attempt. Nothing of a check ever runs in the worker.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from uuid import UUID

import msgspec

from quilate.blueprints.model import PlannedCheck
from quilate.checks.api import Isolation
from quilate.checks.context import ContextSpec
from quilate.domain.errors import InternalError
from quilate.domain.ids import CheckId
from quilate.domain.verdict import Completion
from quilate.kit.process.forkserver import ForkServer
from quilate.kit.process.forkserver_protocol import FrameReader, JobOutcome, frame
from quilate.kit.tracing import OpenSpan
from quilate.runs.durable.warm_process import WarmAnswer, WarmAnswers, WarmBatch, WarmJob
from quilate.runs.executor import attempt_of_answer, attempt_of_job
from quilate.runs.state import Attempt

_TARGET = "quilate.checks.execution:execute_document"
_GRACE_SECONDS = 5.0
_DIED = "the process that runs trivial checks died"

_ANSWERS = msgspec.msgpack.Decoder(WarmAnswers)

JobKey = tuple[UUID, CheckId, int]
"""Run, check and attempt: the fencing token is part of the name."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of a check to be run."""

    key: JobKey
    check: PlannedCheck
    spec: ContextSpec
    payload: bytes
    span: OpenSpan | None = None


Ended = Callable[[Job, Attempt], None]


class ProcessLane:
    """Children of a fork server, at most ``capacity`` at once; an exclusive check runs alone."""

    def __init__(self, *, capacity: int, preload: Sequence[str], ended: Ended) -> None:
        self._capacity = capacity
        self._preload = ("quilate.checks.execution", *preload)
        self._ended = ended
        self._server: ForkServer | None = None
        self._waiting: list[Job] = []
        self._running: dict[int, Job] = {}
        self._exclusive: int | None = None

    @property
    def free(self) -> int:
        """How many more jobs may be started now."""
        return max(self._capacity - len(self._running) - len(self._waiting), 0)

    @property
    def jobs(self) -> set[JobKey]:
        """What is waiting or running here."""
        return {job.key for job in (*self._waiting, *self._running.values())}

    @property
    def begun(self) -> list[Job]:
        """What is running here."""
        return list(self._running.values())

    def start(self, job: Job) -> None:
        """Run a job as soon as its turn comes."""
        self._waiting.append(job)
        self._fill()

    def prepare(self) -> None:
        """Start the fork server ahead of the first job."""
        self._fork_server()

    def cancel(self, keys: set[JobKey]) -> None:
        """End jobs with all that they started; they report as cancelled."""
        for job in [job for job in self._waiting if job.key in keys]:
            self._waiting.remove(job)
            self._ended(job, Attempt(completion=Completion.CANCELLED, reason="the run was cancelled"))
        for number, job in self._running.items():
            if job.key in keys and self._server is not None:
                self._server.cancel(number)

    def _fill(self) -> None:
        while (place := self._next()) is not None:
            job = self._waiting.pop(place)
            wall = job.spec.timeout_seconds + _GRACE_SECONDS
            try:
                number = self._fork_server().submit(_TARGET, job.payload, wall_seconds=wall)
            except InternalError:
                self._forget_server()
                number = self._fork_server().submit(_TARGET, job.payload, wall_seconds=wall)
            self._running[number] = job
            if job.check.isolation is Isolation.EXCLUSIVE:
                self._exclusive = number

    def _next(self) -> int | None:
        if self._exclusive is not None or len(self._running) >= self._capacity:
            return None
        for place, job in enumerate(self._waiting):
            if job.check.isolation is not Isolation.EXCLUSIVE:
                return place
        return 0 if self._waiting and not self._running else None

    def _fork_server(self) -> ForkServer:
        if self._server is None:
            self._server = ForkServer.start(preload=self._preload, spares=min(self._capacity, 4))
            asyncio.get_running_loop().add_reader(self._server.fileno(), self._readable)
        return self._server

    def _readable(self) -> None:
        server = self._server
        if server is None:
            return
        died = not self._running
        while self._running:
            result = server.next_result(timeout=0)
            if result is None:
                break
            died = died or (result.outcome is JobOutcome.CRASHED and result.error.endswith("runs the checks died"))
            job = self._running.pop(result.job_id)
            if self._exclusive == result.job_id:
                self._exclusive = None
            self._ended(job, attempt_of_job(result))
        if died:
            # Without open jobs nothing but a hang-up makes it readable: the next job gets a new server.
            self._forget_server()
        self._fill()

    def _forget_server(self) -> None:
        if self._server is not None:
            asyncio.get_running_loop().remove_reader(self._server.fileno())
            self._server.close()
            self._server = None

    def close(self) -> None:
        """End everything that is running, with every process that it started."""
        self._waiting.clear()
        self._running.clear()
        self._forget_server()


class WarmLane:
    """One warm process that runs trivial checks one after the other; ended and made anew when one of them hangs."""

    def __init__(self, *, preload: Sequence[str], ended: Ended) -> None:
        self._preload = tuple(preload)
        self._ended = ended
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._reader = FrameReader()
        self._under_way: dict[int, tuple[Job, float]] = {}
        self._outgoing: list[WarmJob] = []
        self._unsent = bytearray()
        self._flushing = False
        self._last = 0

    @property
    def jobs(self) -> set[JobKey]:
        """What is waiting or running here."""
        return {job.key for job, _ in self._under_way.values()}

    @property
    def begun(self) -> list[Job]:
        """What may be running here: the process says nothing until a job has ended."""
        return [job for job, begin in self._under_way.values() if begin]

    def start(self, job: Job) -> None:
        """Run a job; what is started in one turn of the loop travels together."""
        self._last += 1
        self._under_way[self._last] = (job, 0.0)
        self._outgoing.append(WarmJob(number=self._last, payload=job.payload))
        if not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        jobs, self._outgoing = self._outgoing, []
        if not jobs:
            return
        if self._socket is None:
            self._open()
        now = time.monotonic()
        for each in jobs:
            if each.number in self._under_way:
                self._under_way[each.number] = (self._under_way[each.number][0], now)
        self._unsent += frame(WarmBatch(jobs=jobs))
        self._send()

    def _send(self) -> None:
        """Send as much as the socket takes; the rest follows when it takes more, while answers are read meanwhile."""
        assert self._socket is not None  # noqa: S101 - opened by the caller; told to the type checker
        loop = asyncio.get_running_loop()
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost(_DIED)
            return
        del self._unsent[:sent]
        if self._unsent:
            loop.add_writer(self._socket.fileno(), self._send)
        else:
            loop.remove_writer(self._socket.fileno())

    def _open(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        argv = [sys.executable, "-m", "quilate.runs.durable.warm_process", str(theirs.fileno()), *self._preload]
        self._process = subprocess.Popen(  # noqa: S603 - this interpreter with our own module
            argv, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True
        )
        theirs.close()
        ours.setblocking(False)  # noqa: FBT003 - as above
        self._socket, self._reader = ours, FrameReader()
        asyncio.get_running_loop().add_reader(ours.fileno(), self._readable)

    def _readable(self) -> None:
        assert self._socket is not None  # noqa: S101 - the reader is removed with it
        try:
            data = self._socket.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._lost(_DIED)
            return
        for content in self._reader.feed(data):
            for answer in _ANSWERS.decode(content).answers:
                entry = self._under_way.pop(answer.number, None)
                if entry is not None:
                    self._ended(entry[0], _attempt_of(answer))

    def end_overdue(self) -> None:
        """End the process when its oldest job has run out of time: nothing else can stop it."""
        now = time.monotonic()
        for number, (job, begin) in self._under_way.items():
            if begin and now > begin + job.spec.timeout_seconds:
                del self._under_way[number]
                self._lost("a trivial check before it hung")
                timed_out = Attempt(completion=Completion.TIMED_OUT, reason="ran longer than its time-out")
                self._ended(job, timed_out)
                return
            break

    def _lost(self, why: str) -> None:
        """Start anew with what was not answered; where the process died, the job that it was at answers for it."""
        self._shut()
        unanswered = list(self._under_way.items())
        if why == _DIED and unanswered:
            number, (job, _) = unanswered.pop(0)
            del self._under_way[number]
            self._ended(job, Attempt(completion=Completion.ERROR, reason=f"internal error in the check: {why}"))
        self._outgoing = [WarmJob(number=number, payload=job.payload) for number, (job, _) in unanswered]
        if self._outgoing and not self._flushing:
            self._flushing = True
            asyncio.get_running_loop().call_soon(self._flush)

    def _shut(self) -> None:
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            asyncio.get_running_loop().remove_writer(self._socket.fileno())
            self._unsent.clear()
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def close(self) -> None:
        """End the process."""
        self._under_way.clear()
        self._outgoing.clear()
        self._shut()


def _attempt_of(answer: WarmAnswer) -> Attempt:
    if answer.error:
        return Attempt(
            completion=Completion.ERROR,
            reason=f"internal error in the check: {answer.error}",
            report=answer.report,
            duration_seconds=answer.seconds,
        )
    return attempt_of_answer(answer.answer, answer.seconds)
