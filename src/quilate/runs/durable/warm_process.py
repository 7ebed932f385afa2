"""The warm process for trivial checks: takes batches from a socket, answers each as it ends."""

import importlib
import socket
import sys
import time
import traceback
from functools import lru_cache

import msgspec

from quilate.checks.execution import PreparedCheck, answer_of, decode_spec, execute_prepared, prepare
from quilate.kit.process.forkserver_protocol import FrameReader, frame

_FLUSH_BYTES = 32 << 10
_FLUSH_SECONDS = 0.005


class WarmJob(msgspec.Struct, frozen=True, kw_only=True):
    """One check to be run: a serialised ``ContextSpec``."""

    number: int
    payload: bytes


class WarmBatch(msgspec.Struct, frozen=True, kw_only=True):
    """Jobs that travel together."""

    jobs: list[WarmJob]


class WarmAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A serialised ``ExecutionAnswer``, or the fault that the check ended with."""

    number: int
    answer: bytes = b""
    error: str = ""
    report: str = ""
    seconds: float = 0.0


class WarmAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Answers that travel together."""

    answers: list[WarmAnswer]


@lru_cache(maxsize=4096)
def _prepared(payload: bytes) -> PreparedCheck:
    """Return a check with its context: runs of one plan over one tree share the specification."""
    return prepare(decode_spec(payload))


def run_job(job: WarmJob) -> WarmAnswer:
    """Run one check; whatever it throws is its answer."""
    begin = time.perf_counter()
    try:
        answer = answer_of(lambda: execute_prepared(_prepared(job.payload)))
    except BaseException as error:  # noqa: BLE001 - one check's fault must not be its neighbours'
        return WarmAnswer(
            number=job.number,
            error=f"{type(error).__name__}: {error}",
            report=traceback.format_exc(),
            seconds=time.perf_counter() - begin,
        )
    return WarmAnswer(number=job.number, answer=answer, seconds=time.perf_counter() - begin)


def serve(connection: socket.socket) -> None:
    """Answer until the other side hangs up."""
    reader = FrameReader()
    while data := connection.recv(1 << 20):
        for content in reader.feed(data):
            batch = msgspec.msgpack.decode(content, type=WarmBatch)
            pending: list[WarmAnswer] = []
            size, flushed = 0, time.monotonic()
            for job in batch.jobs:
                answer = run_job(job)
                pending.append(answer)
                size += len(answer.answer) + len(answer.report)
                if size >= _FLUSH_BYTES or time.monotonic() - flushed > _FLUSH_SECONDS:
                    connection.sendall(frame(WarmAnswers(answers=pending)))
                    pending, size, flushed = [], 0, time.monotonic()
            if pending:
                connection.sendall(frame(WarmAnswers(answers=pending)))


def main() -> None:
    """Serve the socket whose number is the first argument, with the modules that follow loaded."""
    for name in sys.argv[2:]:
        importlib.import_module(name)
    with socket.socket(fileno=int(sys.argv[1])) as connection:
        serve(connection)


if __name__ == "__main__":
    main()
