"""PostgreSQL in a directory: made on first use, started and stopped with us, reached over a Unix socket.

What makes it hold: the directory's owner (our process) and the server each keep a lock on a file for as long as they
live, the server's being inherited by all its processes. So a second owner is refused, a server that outlived its owner
is ended before the next starts, and a record left by kill -9 is never mistaken for a living server. On Linux the
kernel asks the server to stop when our process ends, however it ends.
"""

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from quilate.domain.errors import ConfigurationError
from quilate.kit.database import embedded_files as files
from quilate.kit.database.embedded_place import Identity, Place, find_place, program_directory
from quilate.kit.file_lock import FileLock
from quilate.kit.process.ownership import release_reserved, reserve

__all__ = ["EmbeddedPostgres", "Identity", "program_directory"]

_START_SECONDS = 120.0
"""Bound of a start, the recovery after a crash included."""
_STOP_SECONDS = 60.0
_ENDING_SECONDS = 10.0
_PAUSE_SECONDS = 0.01
_MIB = 1 << 20


def default_settings() -> dict[str, str]:
    """Return the server settings that differ from PostgreSQL's own: durable, sized to this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    buffers = min(max(memory // 16, 128 * _MIB), 512 * _MIB) // _MIB
    return {
        "fsync": "on",
        "synchronous_commit": "on",
        "shared_buffers": f"{buffers}MB",
        "max_connections": "200",
        "max_wal_size": "2GB",
        "min_wal_size": "128MB",
        "wal_compression": "pglz",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "jit": "off",
        "autovacuum_naptime": "15s",
        "idle_in_transaction_session_timeout": "5min",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %a ",
        "log_checkpoints": "off",
        "cluster_name": "quilate",
    }


class EmbeddedPostgres:
    """One server over one data directory.

    Args:
        directory: Where the data are asked to lie; ``location`` says where they do.
        settings: Server settings that win over ``default_settings``.
        identity: As whom the server runs; found out by default, see ``embedded_place``.
    """

    def __init__(
        self, directory: Path, *, settings: Mapping[str, str] | None = None, identity: Identity | None = None
    ) -> None:
        self._asked = directory.resolve()
        self._settings = default_settings() | dict(settings or {})
        self._identity = identity
        self._found: Place | None = None
        self._owner: FileLock | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets: Path | None = None

    @property
    def place(self) -> Place:
        """As whom it runs and where; looked for once."""
        if self._found is None:
            self._found = find_place(self._asked, identity=self._identity)
        return self._found

    @property
    def location(self) -> Path:
        """Where the data lie; under root without user namespaces not where they were asked to."""
        return self.place.directory

    @property
    def pid(self) -> int | None:
        """The server's process, ``None`` before the start and after the stop."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the server's process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def _data(self) -> Path:
        return self.location / "data"

    @property
    def _log(self) -> Path:
        return self.location / "postgres.log"

    def start(self) -> str:
        """Start the server, made first where the directory is new, and return its address.

        Raises:
            ConfigurationError: It does not start; says why and what to do.
        """
        url = self.launch()
        try:
            self._await()
        except BaseException:
            self.stop(immediate=True)
            raise
        return url

    def _await(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while not self.is_ready():
            if time.monotonic() > end:
                raise self._failure(f"PostgreSQL over {self._data} was not ready in {_START_SECONDS:.0f} seconds")
            time.sleep(_PAUSE_SECONDS)

    def launch(self) -> str:
        """Start the server's process and return its address, which answers once ``is_ready``.

        Raises:
            ConfigurationError: Another process owns the directory, or the data cannot be made or used.
        """
        self._own()
        try:
            return self._launch()
        except BaseException:
            self._disown()
            raise

    def _launch(self) -> str:
        if self._process is not None:
            release_reserved(self._process.pid)
            self._process.wait(timeout=_STOP_SECONDS)
            self._process = None
        lock = self._server_lock()
        try:
            self._clear_record()
            files.refuse_other_version(self._data)
            if not (self._data / "PG_VERSION").exists():
                self._make_data()
            password = files.read_password(self.location)
            if self._sockets is None or not self._sockets.is_dir():
                self._sockets = files.socket_directory(self.place)
            files.forget_sockets(self._sockets)
            self._process = self._spawn(lock.descriptor, self._sockets)
        finally:
            lock.close()
        return files.server_address(password, self._sockets)

    def is_ready(self) -> bool:
        """Return whether the server takes connections.

        Raises:
            ConfigurationError: It has ended.
        """
        if self._process is None or self._process.poll() is not None:
            raise self._failure(f"PostgreSQL over {self._data} ended")
        record = files.read_record(self._data)
        return record is not None and record.pid == self._process.pid and record.ready

    def stop(self, *, immediate: bool = False) -> None:
        """Stop the server: connections are cut, what was committed is on disk.

        Args:
            immediate: Do not write a checkpoint; the next start recovers.
        """
        if self._process is not None:
            self._end(self._process, immediate=immediate)
            release_reserved(self._process.pid)
            self._process = None
        if self._sockets is not None:
            files.remove_sockets(self._sockets)
            self._sockets = None
        self._disown()

    def restart(self, *, immediate: bool = False) -> str:
        """Stop the server if it runs and start it again over the same data, at the same address."""
        if self._process is not None:
            self._end(self._process, immediate=immediate)
        return self.start()

    @staticmethod
    def _end(process: subprocess.Popen[bytes], *, immediate: bool) -> None:
        steps = (
            (signal.SIGQUIT if immediate else signal.SIGINT, _STOP_SECONDS),
            (signal.SIGQUIT, _ENDING_SECONDS),
            (signal.SIGKILL, _ENDING_SECONDS),
        )
        for number, patience in steps:
            if process.poll() is not None:
                return
            process.send_signal(number)
            try:
                process.wait(timeout=patience)
            except subprocess.TimeoutExpired:
                continue
        process.wait(timeout=_ENDING_SECONDS)

    def _own(self) -> None:
        if self._owner is not None:
            return
        owner = FileLock(self.location / "owner.lock")
        if not owner.acquire():
            raise ConfigurationError(
                f"the database in {self.location} is in use by process {owner.read().strip() or 'unknown'}",
                next_step="stop that process first, or use another state directory (QUILATE_STATE)",
            )
        owner.write(f"{os.getpid()}\n")
        self._owner = owner

    def _disown(self) -> None:
        if self._owner is not None:
            self._owner.close()
            self._owner = None

    def _server_lock(self) -> FileLock:
        """Take the lock that all processes of a server hold, after ending a server that outlived its owner."""
        lock = FileLock(self.location / "server.lock")
        begin = time.monotonic()
        sent: signal.Signals | None = None
        while not lock.acquire():
            waited = time.monotonic() - begin
            if waited > _STOP_SECONDS:
                raise ConfigurationError(
                    f"processes of an earlier PostgreSQL over {self._data} do not end",
                    next_step=f"end them; they hold {self.location / 'server.lock'}",
                )
            wanted = signal.SIGQUIT if waited > _ENDING_SECONDS else signal.SIGINT
            record = files.read_record(self._data)
            if sent != wanted and record is not None and files.is_server(record.pid, self._data):
                os.kill(record.pid, wanted)
                sent = wanted
            time.sleep(_PAUSE_SECONDS)
        return lock

    def _clear_record(self) -> None:
        """Remove the record of a server that is dead for sure.

        PostgreSQL alone would believe it when its process id was given again: in a container nearly always.
        """
        record = files.read_record(self._data)
        if record is None:
            return
        if files.is_server(record.pid, self._data):
            raise ConfigurationError(
                f"a PostgreSQL that Quilate did not start (process {record.pid}) runs over {self._data}",
                next_step=f"stop it: pg_ctl stop -D {self._data}",
            )
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def _make_data(self) -> None:
        """Make the data beside their place and move them there whole, so that a crash leaves none half made."""
        partial = self.location / "data.partial"
        shutil.rmtree(partial, ignore_errors=True)
        password = files.make_password(self.place)
        done = subprocess.run(  # noqa: S603 - our own program
            self.place.command(
                "initdb", "-D", str(partial), "-U", "quilate", "--pwfile", str(password), "-E", "UTF8",
                "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
                "--auth=scram-sha-256", "--data-checksums",
            ),
            capture_output=True, text=True, check=False, cwd=self.location, start_new_session=True,
        )  # fmt: skip
        if done.returncode:
            shutil.rmtree(partial, ignore_errors=True)
            raise _explained(f"the database cannot be made in {self.location}", done.stderr.strip()[-400:])
        partial.rename(self._data)

    def _spawn(self, lock: int, sockets: Path) -> subprocess.Popen[bytes]:
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        # The kernel watches the thread that starts a process: another than the main one may end before we do.
        owner = os.getpid() if threading.current_thread() is threading.main_thread() else 0
        command = self.place.command(
            "postgres", "-D", str(self._data), "-k", str(sockets), "-h", "", "--unix_socket_permissions=0700", *options,
            owner=owner,
        )  # fmt: skip
        files.rotate_log(self._log)
        started: list[subprocess.Popen[bytes]] = []
        with os.fdopen(os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as log:

            def spawn() -> int:
                process = subprocess.Popen(  # noqa: S603 - our own server
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    pass_fds=(lock,), cwd=self.location,
                )  # fmt: skip
                started.append(process)
                return process.pid

            reserve(spawn)
        return started[0]

    def _failure(self, message: str) -> ConfigurationError:
        said = [line for line in files.log_end(self._log).splitlines() if "FATAL" in line or "PANIC" in line]
        return _explained(message, said[-1] if said else "", log=self._log)


def _explained(message: str, said: str, *, log: Path | None = None) -> ConfigurationError:
    text = f"{message}: {said}" if said else message
    if "No space left on device" in said:
        return ConfigurationError(text, next_step="the disk is full: make room and start again")
    return ConfigurationError(text, next_step=f"read {log}" if log else "mend what it says and start again")
