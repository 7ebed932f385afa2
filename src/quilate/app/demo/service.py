"""Starts and stops the demonstration project's own service."""

import contextlib
import json
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from quilate.app.demo.certificates import issue_certificate
from quilate.app.demo.project import PRIVATE
from quilate.domain.errors import EvidenceError

_START_SECONDS = 15.0
_PORTS = re.compile(r"https?://127\.0\.0\.1:(\d+)")


class DemoService:
    """The service of a project that ``write_project`` wrote; a context manager that runs it."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
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
            EvidenceError: It did not start.
        """
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
        self._process = subprocess.Popen(  # noqa: S603 - the service that we wrote ourselves
            (sys.executable, "-B", "-m", "credit_risk.service", *options),
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait_until_open(self._process, (port, tls_port))
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


def _wait_until_open(process: subprocess.Popen[bytes], ports: tuple[int, ...]) -> None:
    end = time.monotonic() + _START_SECONDS
    for port in ports:
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > end:
                raise EvidenceError(
                    "the demonstration's service did not start",
                    next_step="start it by hand to see why: python -m credit_risk.service --help",
                )
            time.sleep(0.01)
