"""Functions that the fork server's tests run in children."""

import os
import signal
import subprocess
import sys
import time

DAEMON = (
    "import os, sys, time\n"
    "if os.fork(): os._exit(0)\n"
    "os.setsid()\n"
    "if os.fork(): os._exit(0)\n"
    "time.sleep(600)  # {marker}"
)


def start_daemon(marker: str) -> None:
    """Start a process that leaves session, process group and parent."""
    subprocess.run([sys.executable, "-c", DAEMON.format(marker=marker)], check=True)


def echo(payload: bytes) -> bytes:
    return payload


def process_id(_payload: bytes) -> bytes:
    return str(os.getpid()).encode()


def large(payload: bytes) -> bytes:
    return b"x" * int(payload)


def fail(_payload: bytes) -> bytes:
    print("printed before the fault")  # noqa: T201 - what a job prints is under test
    raise ValueError("a fault of the job")


def daemon_and_return(payload: bytes) -> bytes:
    start_daemon(payload.decode())
    return b"done"


def daemon_and_hang(payload: bytes) -> bytes:
    start_daemon(payload.decode())
    time.sleep(600)
    return b"never"


def daemon_and_crash(payload: bytes) -> bytes:
    start_daemon(payload.decode())
    os.kill(os.getpid(), signal.SIGSEGV)
    return b"never"


def hang_without_signals(_payload: bytes) -> bytes:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
    return b"never"
