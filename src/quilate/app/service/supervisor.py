"""The life of ``quilate up``: database, schema, processes; what dies is started again; a stop leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from quilate.app.service.listening import LISTEN_VARIABLE, listen
from quilate.app.service.processes import (
    API,
    BACKGROUND,
    SCRIPT_WORKER,
    START_SECONDS,
    STOP_ORDER,
    WORKER,
    ServiceProcess,
    make_process,
    status_text,
    stop_processes,
)
from quilate.app.service.role import LIFELINE_VARIABLE
from quilate.app.service.service_database import UP_FILE, database_address, refuse_other_schema, upgrade
from quilate.app.service.settings import Settings, bracketed, settings_environment
from quilate.domain.errors import ConfigurationError, ExitCode
from quilate.kit.database.database import Database
from quilate.kit.database.embedded import EmbeddedPostgres
from quilate.kit.database.embedded_files import log_end
from quilate.kit.file_lock import FileLock
from quilate.kit.process.tree import become_subreaper, children_of, end_descendants, has_ended
from quilate.kit.waiting import happened
from quilate.kit.words import counted

_TICK_SECONDS = 0.1
_SERVER_PAUSE_SECONDS = 1.0
"""PostgreSQL is started at most this often."""
_LEFT_SECONDS = 15.0
"""So long may the processes of a `quilate up` that was killed take to notice it and give up their port."""
_STARTS = 3
"""An API that ends this often before it answers ends the start."""
_STOP_RESERVE_SECONDS = 3.0
"""What a process gets beyond its own bound before it is ended."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What one command starts.

    Attributes:
        database: Start the embedded PostgreSQL where no other is configured, and bring the schema up to date.
        api: Start the API.
        workers: Worker processes.
        logs: Directory of the processes' logs; ``None`` for our own standard error.
        scripts: Start the process that executes hosted scripts.
    """

    database: bool
    api: bool
    workers: int
    logs: Path | None
    scripts: bool = False


def last_words(log: str) -> str:
    """Return why a process ended, from the end of its log: a plain line, or the last line of a logged exception."""
    lines = [line for line in log.splitlines() if line.strip() and not line.startswith("  ")]
    if not lines:
        return ""
    try:
        entry = json.loads(lines[-1])
    except ValueError:
        return lines[-1]
    said = str(entry.get("exception") or entry.get("event") or "") if isinstance(entry, dict) else lines[-1]
    return said.strip().splitlines()[-1] if said.strip() else ""


class Supervisor:
    """Starts the parts of the service on this machine and keeps them running; for the main thread.

    Args:
        settings: The service's settings.
        parts: What to start.
        say: Prints a line for the person who started it.
    """

    def __init__(self, settings: Settings, parts: Parts, say: Callable[[str], None]) -> None:
        self._settings = settings
        self._parts = parts
        self._say = say
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._server: EmbeddedPostgres | None = None
        self._server_due = 0.0
        self._processes: list[ServiceProcess] = []
        self._socket: socket.socket | None = None
        self._lock: FileLock | None = None
        self._was_killed = False
        self._lifeline = (-1, -1)

    async def run(self) -> int:
        """Start everything, wait for the stop, stop everything; return the exit code.

        Raises:
            ConfigurationError: Something cannot start; what had started is stopped.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # Started by nohup.
            loop.add_signal_handler(number, self._ask_to_stop)
        become_subreaper()
        try:
            await self._start()
            if not self._stop.is_set():
                await self._watch()
        finally:
            await self._end()
        return 0

    def _ask_to_stop(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    async def _start(self) -> None:
        begin = time.monotonic()
        if self._parts.database:
            self._own_state()
        if self._parts.api:
            self._socket = await self._listen()
            self._settings = replace(self._settings, port=self._socket.getsockname()[1])
        await self._open_database()
        if self._stop.is_set():
            return
        self._make_processes()
        await self._start_processes(begin)
        if self._parts.api and not self._stop.is_set():
            await self._tell_address()

    async def _start_processes(self, begin: float) -> None:
        """Start the API before the others: people wait for it, and processes that load together slow each other."""
        waited_for = [each for each in self._processes if each.role == API]
        others = [each for each in self._processes if each.role != API]
        for each in waited_for:
            each.start()
            await self._await_ready(each)
        if self._stop.is_set():
            return
        for each in others:
            each.start()
        said = [f"{each.name} ready after {time.monotonic() - begin:.1f} s" for each in waited_for]
        if others:
            said.append(f"{', '.join(each.name for each in others)} started")
        self._say("; ".join(said))

    async def _listen(self) -> socket.socket:
        end = time.monotonic() + (_LEFT_SECONDS if self._was_killed else 0.0)
        while True:
            try:
                return listen(self._settings.host, self._settings.port)
            except ConfigurationError:
                if time.monotonic() >= end or self._stop.is_set():
                    raise
            await self._pause()

    def _own_state(self) -> None:
        try:
            self._settings.state.mkdir(parents=True, exist_ok=True)
            ignore = self._settings.state / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n", encoding="utf-8")
            lock = FileLock(self._settings.state / UP_FILE)
            if not lock.acquire():
                raise ConfigurationError(
                    f"Quilate already runs over {self._settings.state} ({lock.read().strip() or 'starting'})",
                    next_step="use that one, stop it first, or give another directory: --state DIRECTORY",
                )
        except OSError as error:
            raise ConfigurationError(
                f"the state directory {self._settings.state} cannot be used: {error.strerror}",
                next_step="give one that you may write: --state DIRECTORY",
            ) from error
        # A clean end leaves the file empty.
        self._was_killed = bool(lock.read())
        lock.write(f"process {os.getpid()}")
        self._lock = lock

    async def _open_database(self) -> None:
        if not self._parts.database:
            self._settings = replace(self._settings, database_url=database_address(self._settings))
            await refuse_other_schema(self._settings.database_url)
            return
        if not self._settings.database_url:
            begin = time.monotonic()
            self._server = EmbeddedPostgres(self._settings.postgres_directory)
            url = self._server.launch()
            while not self._server.is_ready():  # noqa: ASYNC110 - another process becomes ready, which sets no event
                await asyncio.sleep(_TICK_SECONDS / 10)
            self._settings = replace(self._settings, database_url=url)
            self._say(f"PostgreSQL ready after {time.monotonic() - begin:.1f} s, its data in {self._server.location}")
        report, backup = await upgrade(self._settings.database_url, self._settings.backup_directory)
        if backup is not None:
            self._say(f"backup before the upgrade: {backup}")
        if report.applied:
            self._say(f"schema version {report.after}, {counted(len(report.applied), 'migration')} applied")

    def _make_processes(self) -> None:
        self._lifeline = os.pipe()
        common = {LIFELINE_VARIABLE: self._lifeline[0]}
        variables = settings_environment(self._settings)

        def make(role: str, name: str, descriptors: dict[str, int]) -> ServiceProcess:
            log = self._parts.logs / f"{name}.log" if self._parts.logs else None
            return make_process(role, name, variables, descriptors=descriptors, log=log)

        if self._socket is not None:
            self._processes.append(make(API, API, {**common, LISTEN_VARIABLE: self._socket.fileno()}))
        if self._parts.scripts:
            self._processes.append(make(SCRIPT_WORKER, SCRIPT_WORKER, common))
        self._processes += [make(WORKER, f"worker-{n}", common) for n in range(1, self._parts.workers + 1)]
        self._processes.append(make(BACKGROUND, BACKGROUND, common))

    async def _await_ready(self, api: ServiceProcess) -> None:
        end = time.monotonic() + START_SECONDS
        deaths = 0
        while not self._stop.is_set():
            status = api.ended()
            if status is not None:
                deaths += 1
                if status == ExitCode.USAGE or deaths >= _STARTS:
                    raise self._failed_start(api, status)
                api.start()
            if await self._answers():
                return
            if time.monotonic() > end:
                raise ConfigurationError(
                    f"the API did not answer within {START_SECONDS:.0f} seconds", next_step=self._where(API)
                )
            await happened(self._stop, _TICK_SECONDS / 5)

    def _failed_start(self, process: ServiceProcess, status: int) -> ConfigurationError:
        why = last_words(log_end(process.log, most=1 << 16)) if process.log else ""
        text = f"{process.name} {status_text(status)} at its start"
        return ConfigurationError(f"{text}: {why}" if why else text, next_step=self._where(process.name))

    def _where(self, name: str) -> str:
        return f"read {self._parts.logs / f'{name}.log'}" if self._parts.logs else "read what it says above"

    async def _answers(self) -> bool:
        """Return whether the API answers that it lives."""
        host = self._settings.host if self._settings.host not in {"0.0.0.0", "::"} else ""  # noqa: S104 - compared only
        name = self._settings.hosts[0] if self._settings.hosts[0] != "*" else "localhost"
        try:
            reader, writer = await asyncio.open_connection(host or "localhost", self._settings.port)
        except OSError:
            return False
        try:
            request = f"GET /health/live HTTP/1.1\r\nHost: {bracketed(name)}\r\nConnection: close\r\n\r\n"
            writer.write(request.encode())
            async with asyncio.timeout(5):
                line = await reader.readline()
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        return b" 200 " in line

    async def _tell_address(self) -> None:
        base = self._settings.base_url
        if self._lock is not None:
            self._lock.write(f"process {os.getpid()}, {base}")
        self._say(f"Quilate is at {base}")
        if self._settings.local:
            self._say("  single-user mode: this machine only, no login")
        elif self._parts.database:
            from quilate.accounts.bootstrap import first_admin_link  # noqa: PLC0415 - the local mode has no accounts

            async with Database.open(self._settings.database_url, name="quilate up", max_size=1) as database:
                link = await first_admin_link(database, base)
            if link:
                self._say(f"  first admin, works once: {link}")
        self._say("Ctrl+C stops it")

    async def _watch(self) -> None:
        while not self._stop.is_set():
            self._watch_server()
            for each in self._processes:
                self._watch_process(each)
            self._collect()
            await self._pause()

    async def _pause(self) -> None:
        await happened(self._stop, _TICK_SECONDS)

    def _watch_process(self, each: ServiceProcess) -> None:
        status = each.ended()
        if status is not None:
            if each.cannot_start(status):
                raise self._failed_start(each, status)
            self._say(f"{each.name} {status_text(status)}; it is started again")
            # What it had started fell to us: two workers must not run the same check.
            end_descendants(os.getpid(), spares=self._is_ours)
        if each.process is None and time.monotonic() >= each.due:
            each.start()

    def _watch_server(self) -> None:
        if self._server is None or self._server.running or time.monotonic() < self._server_due:
            return
        if self._server.pid is not None:
            self._say("PostgreSQL ended; it is started again")
        try:
            end_descendants(os.getpid(), spares=self._is_ours)
            self._server.launch()
        except ConfigurationError as error:
            self._say(f"PostgreSQL does not start: {error}; {error.next_step}")
        self._server_due = time.monotonic() + _SERVER_PAUSE_SECONDS

    def _is_ours(self, pid: int) -> bool:
        server = self._server.pid if self._server is not None else None
        return pid == server or any(each.pid == pid for each in self._processes)

    def _collect(self) -> None:
        """Collect what fell to us and has ended."""
        for pid in children_of(os.getpid()):
            if not self._is_ours(pid) and has_ended(pid):
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)

    async def _end(self) -> None:
        if self._stop.is_set():
            self._say("stopping")
        self._stop.set()
        patience = self._settings.stop_seconds + _STOP_RESERVE_SECONDS
        for role in STOP_ORDER:
            group = [each for each in self._processes if each.role == role]
            await stop_processes(group, patience_seconds=patience, hurry=self._hurry)
        if self._server is not None:
            self._server.stop(immediate=self._hurry.is_set())
        if sys.platform == "linux":
            end_descendants(os.getpid())
        for descriptor in self._lifeline:
            if descriptor >= 0:
                os.close(descriptor)
        if self._socket is not None:
            self._socket.close()
        if self._lock is not None:
            self._lock.write("")
            self._lock.close()
