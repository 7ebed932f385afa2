"""One job of the fork server, in its own child: call the function, send the answer, leave."""

import contextlib
import io
import os
import signal
import sys
import traceback
from importlib import import_module
from typing import Any, NoReturn, TextIO

import msgspec

from quilate.kit.process.forkserver_protocol import Command, FrameReader
from quilate.kit.process.tree import become_subreaper, signal_when_parent_ends

_PIECE = 1 << 18

_inherited_streams: list[Any] = []
"""The owner's stream objects are kept: one that went would write what it still holds to the job's own output."""


def open_standard_streams() -> None:
    """Give this process streams of its own over descriptors 0, 1 and 2, once for all jobs that are forked from it."""
    _inherited_streams.extend((sys.stdin, sys.stdout, sys.stderr))
    sys.stdin, sys.stdout, sys.stderr = _stream(0, "r"), _stream(1, "w"), _stream(2, "w")


def _stream(descriptor: int, mode: str) -> TextIO:
    stream = os.fdopen(descriptor, mode, encoding="utf-8", errors="replace", closefd=False)
    assert isinstance(stream, io.TextIOWrapper)  # noqa: S101 - told to the type checker: the modes are text modes
    return stream


def run_and_exit(command: Command | int, *, answer: int, output: int) -> NoReturn:
    """Call the target, write its answer to the pipe ``answer``, and leave without running anything of the parent's.

    A child that is kept ready gets the pipe that its command will come through, and leaves when it closes without one.
    The answer is ``A`` and the bytes that the function returned, or ``E``, what it raised, a NUL and the traceback.
    """
    try:
        _isolate(output)
        told = command if isinstance(command, Command) else _awaited(command)
        module, _, name = told.target.partition(":")
        content = b"A" + getattr(import_module(module), name)(told.payload)
    except BaseException as error:  # noqa: BLE001 - a fault of the job is its result
        fault = f"{type(error).__name__}: {error}".replace("\0", " ")
        content = b"E" + f"{fault}\0{traceback.format_exc()}".encode("utf-8", "replace")
    _send(answer, content)
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _awaited(pipe: int) -> Command:
    reader = FrameReader()
    while piece := os.read(pipe, _PIECE):
        for content in reader.feed(piece):
            os.close(pipe)
            return msgspec.msgpack.decode(content, type=Command)
    os._exit(0)


def _isolate(output: int) -> None:
    server = os.getppid()
    os.setsid()
    become_subreaper()
    signal_when_parent_ends(signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.close(output)


def _send(pipe: int, content: bytes) -> None:
    view = memoryview(content)
    with contextlib.suppress(OSError):
        while view:
            view = view[os.write(pipe, view[:_PIECE]) :]
