"""Ill-behaved jobs of the fork server. Each process notes its id as a file name in the folder that the job is given."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

SLEEPER = "import time; time.sleep(600)"


def echo(payload: bytes) -> bytes:
    return payload[::-1]


def print_much(payload: bytes) -> bytes:
    line = "x" * 1023 + "\n"
    for _ in range(int(payload)):
        sys.stdout.write(line)
    sys.stdout.write("the end\n")
    return b"done"


def large_answer(payload: bytes) -> bytes:
    return b"a" * int(payload)


def leave(payload: bytes) -> NoReturn:
    os._exit(int(payload))


def environment(payload: bytes) -> bytes:
    """Tell the signal dispositions, session and open files of the child."""
    targets = [str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
    return repr((signal.getsignal(signal.SIGINT) is signal.SIG_DFL, os.getsid(0) == os.getpid(), targets)).encode()


def hang_with_daemons(payload: bytes) -> bytes:
    start_daemons(payload.decode())
    Path(payload.decode(), "ready").touch()
    time.sleep(600)
    return b""


def leave_daemons(payload: bytes) -> bytes:
    start_daemons(payload.decode())
    return b"left"


def crash_with_daemons(payload: bytes) -> bytes:
    start_daemons(payload.decode())
    os.kill(os.getpid(), signal.SIGSEGV)
    return b""


def fork_bomb(payload: bytes) -> bytes:
    """Fork until 200 processes are there, each of which forks once more whenever its parent goes."""
    folder = payload.decode()
    for _ in range(200):
        if os.fork() == 0:
            os.setsid()
            note(folder)
            while True:
                if os.fork() == 0:
                    note(folder)
                else:
                    time.sleep(0.05)
                    os._exit(0)
    Path(folder, "ready").touch()
    time.sleep(600)
    return b""


def start_daemons(folder: str) -> None:
    """Leave a program in a session of its own, and one that two forks have cut off from this process."""
    note(folder)
    for _ in range(2):
        subprocess.Popen([sys.executable, "-c", SLEEPER, folder], start_new_session=True)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(folder)
            os.execve(sys.executable, [sys.executable, "-c", SLEEPER, folder], {})  # noqa: S606 - no shell is meant
        os._exit(0)
    os.wait()


def note(folder: str) -> None:
    Path(folder, str(os.getpid())).touch()


def noted_and_alive(folder: Path) -> list[int]:
    """Return the living processes whose ids are file names in ``folder``."""
    alive = []
    for entry in filter(lambda entry: entry.name.isdigit(), folder.iterdir()):
        try:
            state = Path("/proc", entry.name, "stat").read_bytes().rpartition(b")")[2].split()[0]
        except OSError:
            continue
        if state != b"Z":
            alive.append(int(entry.name))
    return alive


def wait_until_there(path: Path, seconds: float = 60.0) -> None:
    """Wait for a file that another process writes."""
    limit = time.monotonic() + seconds
    while not path.exists():
        assert time.monotonic() < limit, f"{path} did not come"
        time.sleep(0.005)
