"""The service's processes as their supervisor sees them: started, watched, started again, stopped."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from quilate.domain.errors import ExitCode
from quilate.kit.process.ownership import release_reserved, reserve

API, WORKER, SCRIPT_WORKER, BACKGROUND = "api", "worker", "script-worker", "background"
MODULES = {
    API: "quilate.app.service.api",
    WORKER: "quilate.app.service.worker_main",
    SCRIPT_WORKER: "quilate.app.service.script_worker_main",
    BACKGROUND: "quilate.app.service.background",
}
STOP_ORDER = (API, WORKER, SCRIPT_WORKER, BACKGROUND)
"""First nothing new comes in, then work ends, then what the work left behind is taken in."""

START_SECONDS = 60.0
"""Within this time a process has started, or never does."""

_SHORT_LIFE_SECONDS = 3.0
_FIRST_PAUSE_SECONDS = 0.1
_LONGEST_PAUSE_SECONDS = 30.0
_LONGEST_LOG = 16 << 20
_TICK_SECONDS = 0.02


@dataclass(slots=True, kw_only=True)
class ServiceProcess:
    """One process: what it is, how it is started, how often it failed.

    Attributes:
        role: ``api``, ``worker``, ``script-worker`` or ``background``.
        name: How it is called in messages and log files.
        environment: Its variables.
        log: File for what it says; ``None`` for our own standard error.
        descriptors: Open files that it inherits.
        starts: How often it was started.
        lived: How many seconds it ran before its last end.
    """

    role: str
    name: str
    environment: Mapping[str, str]
    log: Path | None = None
    descriptors: tuple[int, ...] = ()
    starts: int = 0
    failures: int = 0
    started: float = 0.0
    lived: float = 0.0
    due: float = 0.0
    process: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it as the leader of a session of its own, so that a Ctrl+C of the terminal reaches only us."""
        # -P: a file of the directory that we stand in must never take the place of a module.
        command = [sys.executable, "-P", "-m", MODULES[self.role]]

        def spawn() -> int:
            with contextlib.ExitStack() as stack:
                log: IO[bytes] | None = stack.enter_context(_opened(self.log)) if self.log else None
                self.process = subprocess.Popen(  # noqa: S603 - our own module
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    env=dict(self.environment), pass_fds=self.descriptors,
                )  # fmt: skip
            return self.process.pid

        reserve(spawn)
        self.starts += 1
        self.started = time.monotonic()

    @property
    def pid(self) -> int | None:
        """Its process id while it is not known to have ended."""
        return self.process.pid if self.process is not None else None

    def ended(self) -> int | None:
        """Return its exit status once it has ended, ``None`` while it runs; tells of each end once."""
        if self.process is None:
            return None
        status = self.process.poll()
        if status is None:
            return None
        release_reserved(self.process.pid)
        self.process = None
        self.lived = time.monotonic() - self.started
        self.failures = self.failures + 1 if self.lived < _SHORT_LIFE_SECONDS else 1
        pause = min(_FIRST_PAUSE_SECONDS * 2 ** (self.failures - 1), _LONGEST_PAUSE_SECONDS)
        self.due = time.monotonic() + pause
        return status

    def cannot_start(self, status: int) -> bool:
        """Return whether it ended like that because no start of it can succeed, such as on a port that is taken.

        One that has worked before, or for a while, met something that may pass.
        """
        return status == ExitCode.USAGE and self.starts == 1 and self.lived < START_SECONDS

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; SIGKILL goes to its whole process group."""
        if self.process is None or self.process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            if number is signal.SIGKILL:
                os.killpg(self.process.pid, number)
            else:
                os.kill(self.process.pid, number)


def _opened(log: Path) -> IO[bytes]:
    log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LONGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))
    return os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab")


def make_process(
    role: str, name: str, settings: Mapping[str, str], *, descriptors: Mapping[str, int], log: Path | None = None
) -> ServiceProcess:
    """Return a process that is not started yet.

    Args:
        role: ``api``, ``worker``, ``script-worker`` or ``background``.
        name: How it is called.
        settings: Its settings as variables.
        descriptors: Open files that it inherits, by the variables that name them to it.
        log: File for what it says.
    """
    environment = {**os.environ, **settings, **{variable: str(number) for variable, number in descriptors.items()}}
    return ServiceProcess(
        role=role, name=name, environment=environment, log=log, descriptors=tuple(descriptors.values())
    )


async def stop_processes(processes: Iterable[ServiceProcess], *, patience_seconds: float, hurry: asyncio.Event) -> None:
    """Ask processes to stop and end those that have not after a while, or at once when ``hurry`` is set."""
    waiting = list(processes)
    for each in waiting:
        each.signal(signal.SIGTERM)
    end = time.monotonic() + patience_seconds
    while waiting := [each for each in waiting if each.process is not None and each.ended() is None]:
        if hurry.is_set() or time.monotonic() > end:
            for each in waiting:
                each.signal(signal.SIGKILL)
        await asyncio.sleep(_TICK_SECONDS)


def status_text(status: int) -> str:
    """Return how a process ended, in words."""
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was ended by {signal.Signals(-status).name}"
    return f"ended with exit code {status}"
