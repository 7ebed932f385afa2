"""A worker's answers are hostile: whatever it writes, the parent neither breaks nor believes it (A05, A06)."""

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quilate.sandbox import protocol
from quilate.sandbox.connection import Connection
from quilate.sandbox.model import Failure, FailureClass, Limits, Outcome, Payload, Program
from quilate.sandbox.requests import Wanted, WorkerKind, header
from quilate.sandbox.worker_process import Call, WorkerPlan, WorkerProcess

LIMITS = Limits(output_bytes=1000, console_bytes=100)


def answer(**changes: object) -> bytes:
    plain = protocol.AnswerHeader(
        number=1,
        succeeded=True,
        shared_bytes=0,
        failure=None,
        console=(),
        console_truncated=False,
        wall_milliseconds=1.0,
        cpu_milliseconds=1.0,
        peak_memory_bytes=1,
        fuel=None,
        last=False,
        session_lost=False,
    )
    return msgspec.json.encode(msgspec.structs.replace(plain, **changes))


def test_a_plain_answer_is_read() -> None:
    assert protocol.read_answer(answer(), 10, 1, LIMITS).succeeded


RUNTIME = Failure(kind=FailureClass.RUNTIME, message="x")
HOSTILE: dict[str, tuple[dict[str, object], int]] = {
    "to another call": ({"number": 2}, 0),
    "neither result nor failure": ({"succeeded": False}, 0),
    "result and failure": ({"failure": RUNTIME}, 0),
    "too long": ({}, 1001),
    "too long in memory": ({"shared_bytes": 1001}, 0),
    "less than nothing": ({"shared_bytes": -1}, 0),
    "in both places": ({"shared_bytes": 5}, 5),
    "a failure with output": ({"succeeded": False, "failure": RUNTIME}, 5),
    "a flood of lines": ({"console": ("",) * 200}, 0),
    "long lines": ({"console": ("x" * 101,)}, 0),
    "no time": ({"wall_milliseconds": -1.0}, 0),
    "endless time": ({"cpu_milliseconds": 1e300}, 0),
    "impossible memory": ({"peak_memory_bytes": 1 << 60}, 0),
    "an alarm of its own": (
        {"succeeded": False, "failure": Failure(kind=FailureClass.VIOLATION, message="x")},
        0,
    ),
    "a quota of its own": ({"succeeded": False, "failure": Failure(kind=FailureClass.QUOTA, message="x")}, 0),
    "a message without end": (
        {"succeeded": False, "failure": Failure(kind=FailureClass.RUNTIME, message="x" * 9000)},
        0,
    ),
    "a place before the first": (
        {"succeeded": False, "failure": Failure(kind=FailureClass.RUNTIME, message="x", line=-1)},
        0,
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_no_worker_answers_is_refused(name: str) -> None:
    changes, body = HOSTILE[name]
    with pytest.raises(protocol.ProtocolError):
        protocol.read_answer(answer(**changes), body, 1, LIMITS)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists).map(
            lambda value: json.dumps(value).encode()
        ),
    )
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_header_is_an_answer_or_an_error_of_the_protocol(data: bytes) -> None:
    with contextlib.suppress(protocol.ProtocolError):
        protocol.read_answer(data, 0, 1, LIMITS)
    with contextlib.suppress(protocol.ProtocolError):
        protocol.read_ready(data)


@given(st.lists(st.binary(max_size=40), max_size=30), st.lists(st.integers(1, 20), max_size=40))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_frames_are_found_however_they_are_cut(bodies: list[bytes], cuts: list[int]) -> None:
    seen: list[tuple[bytes, bytes]] = []
    connection = Connection(lambda head, body: seen.append((bytes(head), bytes(body))), lambda: None)
    stream = b"".join(protocol.PREFIX.pack(2, len(body)) + b"{}" + body for body in bodies)
    for cut in [*cuts, len(stream)]:
        connection.data_received(stream[:cut])
        stream = stream[cut:]
    assert seen == [(b"{}", body) for body in bodies]


@given(st.binary(min_size=8, max_size=400))
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_bytes_are_frames_or_break_the_connection_once(data: bytes) -> None:
    broken: list[str] = []

    def refuse(_head: memoryview, _body: memoryview) -> None:
        raise protocol.ProtocolError("no answer")

    connection = Connection(refuse, lambda: None)
    connection.broken = broken.append
    connection.data_received(data)
    assert len(broken) <= 1


@pytest.mark.parametrize("prefix", [struct.pack(">II", 1 << 31, 0), struct.pack(">II", 10, 1 << 31)])
def test_a_length_is_not_believed(prefix: bytes) -> None:
    with pytest.raises(protocol.ProtocolError):
        protocol.lengths(prefix)


class Impostor:
    """A process in the worker's place that has been taken over: it reads calls and writes what it likes."""

    def __init__(self, reply: Callable[[socket.socket], None]) -> None:
        self._reply = reply

    def run(self, theirs: socket.socket) -> None:
        with theirs:
            theirs.sendall(protocol.frame(protocol.ReadyHeader(process=1, level="locked", attempts=(), missing=())))
            theirs.recv(1 << 16)
            self._reply(theirs)
            while theirs.recv(1 << 16):
                pass


REPLIES: dict[str, bytes] = {
    "garbage": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "no JSON": protocol.PREFIX.pack(3, 0) + b"{{{",
    "an answer to nobody's call": protocol.PREFIX.pack(len(answer(number=77)), 0) + answer(number=77),
    "memory that is not there": protocol.PREFIX.pack(len(answer(shared_bytes=900)), 0) + answer(shared_bytes=900),
    "two answers": (protocol.PREFIX.pack(len(answer()), 1) + answer() + b"1") * 2,
    "a gigabyte": protocol.PREFIX.pack(10, 1 << 30),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("name", REPLIES)
async def test_a_worker_that_was_taken_over_is_ended_and_reported(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = WorkerProcess(WorkerKind(), WorkerPlan(heap_bytes=1 << 26, ceiling_bytes=1 << 27))
    impostor = Impostor(lambda theirs: theirs.sendall(REPLIES[name]))
    launch = worker._launch  # noqa: SLF001 - the impostor takes the place of what it starts
    tasks: list[asyncio.Task[None]] = []

    def launched(theirs: socket.socket) -> object:
        mine = theirs.dup()
        # The real process waits without a socket; the impostor speaks in its place.
        tasks.append(asyncio.get_running_loop().create_task(asyncio.to_thread(impostor.run, mine)))
        other, far = socket.socketpair()
        try:
            return launch(other)
        finally:
            other.close()
            worker_far.append(far)

    worker_far: list[socket.socket] = []
    monkeypatch.setattr(worker, "_launch", launched)
    await worker.start()
    request = (Program(source="x"), Payload(data=b"1"), LIMITS)
    calls = [Call(header=header(number, b"x", request, Wanted()), source=b"x", data=b"1") for number in (1, 2)]
    outcomes: list[Outcome | None] = []
    async with asyncio.timeout(10):
        outcomes = await worker.call(calls)
    failures = [outcome.failure for outcome in outcomes if outcome is not None and outcome.failure is not None]
    assert failures
    assert {failure.kind for failure in failures} == {FailureClass.VIOLATION}
    assert not worker.healthy
    await worker.close()
    worker_far[0].close()
    await asyncio.gather(*tasks)
