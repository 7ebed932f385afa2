"""Starts and stops the demonstration project's own service."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import IO, Self

from quilate.app.demo.certificates import issue_certificate
from quilate.app.demo.project import PRIVATE
from quilate.domain.errors import ConfigurationError, EvidenceError

_START_SECONDS = 15.0
_LONGEST_REASON = 300
_PORTS = re.compile(r"https?://127\.0\.0\.1:(\d+)")


class DemoService:
    """The service of a project that ``write_project`` wrote; a context manager that runs it."""

    def __init__(self, directory: Path) -> None:
        # The service runs in this directory: a relative path would mean another place there.
        self._directory = directory.absolute()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Issue the certificate that ``deploy/tls.json`` asks for and start the service; it answers on return.

        Raises:
            ConfigurationError: The directory holds no demonstration project.
            EvidenceError: It did not start.
        """
        if not (self._directory / "deploy" / "tls.json").is_file() or not (self._directory / PRIVATE).is_dir():
            raise ConfigurationError(
                f"{self._directory} holds no project of the demonstration",
                next_step="make one: quilate demo DIRECTORY",
            )
        private = self._directory / PRIVATE
        certificate, key = private / "server.pem", private / "server.key"
        days = int(json.loads((self._directory / "deploy" / "tls.json").read_text())["valid_days"])
        authority = (self._directory / "deploy" / "authority.pem", private / "authority.key")
        issue_certificate(authority, certificate, key, days=days)
        port, tls_port = self.ports()
        options = (
            "--port",
            str(port),
            "--tls-port",
            str(tls_port),
            "--certificate",
            str(certificate),
            "--key",
            str(key),
        )
        _check_free((port, tls_port))
        with tempfile.TemporaryFile() as complaints:
            self._process = subprocess.Popen(  # noqa: S603 - the service that we wrote ourselves
                (sys.executable, "-B", "-m", "credit_risk.service", *options),
                cwd=self._directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
            )
            try:
                _wait_until_open(self._process, (port, tls_port), complaints)
            except BaseException:
                self.stop()
                raise

    def stop(self) -> None:
        """End the service; it has ended on return."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def wait(self) -> None:
        """Wait until the service ends."""
        if self._process is not None:
            self._process.wait()

    def ports(self) -> tuple[int, int]:
        """Return the ports for HTTP and HTTPS that the project file names."""
        addresses = _PORTS.findall((self._directory / "quilate.yaml").read_text(encoding="utf-8"))
        return int(addresses[0]), int(addresses[-1])


@contextlib.contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt as Ctrl+C does, so that the service ends with the program that started it."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _check_free(ports: tuple[int, ...]) -> None:
    """Refuse ports that somebody else has: what answers there would be taken for the service."""
    for port in ports:
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError as error:
            raise EvidenceError(
                f"the demonstration's service cannot have port {port}: {os.strerror(error.errno or 0)}",
                next_step="end what uses it, perhaps this service from before, or make another project: quilate demo",
            ) from error


def _wait_until_open(process: subprocess.Popen[bytes], ports: tuple[int, ...], complaints: IO[bytes]) -> None:
    end = time.monotonic() + _START_SECONDS
    for port in ports:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > end:
                raise EvidenceError(
                    f"the demonstration's service did not start: {_last_line(complaints)}",
                    next_step="mend credit_risk/service.py, or make another project: quilate demo",
                )
            time.sleep(0.01)


def _last_line(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    lines = complaints.read().decode(errors="replace").strip().splitlines()
    return lines[-1][:_LONGEST_REASON] if lines else "it said nothing"
