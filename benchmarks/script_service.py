"""A whole ``quilate up --local`` with the Bacen script, and a client that asks it over kept connections."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

PROJECT = "default"
SCRIPT = """
function process(data) {
  const groups = {};
  for (const record of data) {
    if (record.produto !== "Empresarial") continue;
    const key = `${record.trimestre}-${record.nomeBandeira}`;
    const group = groups[key] ??= {
      trimestre: record.trimestre, nomeBandeira: record.nomeBandeira,
      qtdCartoesAtivos: 0, qtdCartoesEmitidos: 0, qtdTransacoesNacionais: 0, valorTransacoesNacionais: 0,
    };
    group.qtdCartoesAtivos += record.qtdCartoesAtivos;
    group.qtdCartoesEmitidos += record.qtdCartoesEmitidos;
    group.qtdTransacoesNacionais += record.qtdTransacoesNacionais;
    group.valorTransacoesNacionais += record.valorTransacoesNacionais;
  }
  return Object.values(groups);
}
"""
_NAMES = ("produto", "trimestre", "nomeBandeira", "qtdCartoesAtivos", "qtdCartoesEmitidos", "qtdTransacoesNacionais")
_ROWS = (
    ("Intermediário", "20231", "American Express", 335542, 433549, 9107357, 1617984610.42),
    ("Empresarial", "20232", "VISA", 1716709, 3050384, 43984902, 12846611557.78),
    ("Empresarial", "20232", "VISA", 500000, 750000, 15000000, 4000000000),
    ("Empresarial", "20233", "VISA", 1800000, 3100000, 45000000, 13000000000),
    ("Empresarial", "20234", "Mastercard", 2200000, 3700000, 55000000, 15000000000),
    ("Premium", "20234", "Elo", 900000, 1200000, 20000000, 5000000000),
)
RECORDS = json.dumps(
    [dict(zip((*_NAMES, "valorTransacoesNacionais"), row, strict=True)) for row in _ROWS], ensure_ascii=False
).encode()
GROUPS = 3
_START_SECONDS = 60.0
_NATIONAL_VISA = 58984902


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptService:
    """One service with the script in it.

    Attributes:
        url: Where it answers.
        root: Process of ``quilate up``.
        state: What it keeps.
        path: Where executions of the script are posted.
    """

    url: str
    root: int
    state: Path
    path: str


@contextlib.contextmanager
def script_service() -> Iterator[ScriptService]:
    """Start ``quilate up --local`` over a fresh state and push the script; stop it as Ctrl+C does."""
    place = Path(tempfile.mkdtemp(prefix="quilate-bench-"))
    place.chmod(0o755)
    output = place / "up.out"
    command = [str(Path(sys.executable).parent / "quilate"), "up", "--local", "--port", "0", "--workers", "1"]
    variables = {name: value for name, value in os.environ.items() if not name.startswith("QUILATE_")}
    with output.open("wb") as writing:
        process = subprocess.Popen(
            [*command, "--state", str(place / "state")],
            stdout=writing, stderr=subprocess.STDOUT, env=variables, start_new_session=True,
        )  # fmt: skip
    try:
        url = _address(process, output)
        yield ScriptService(url=url, root=process.pid, state=place / "state", path=_push(url))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=_START_SECONDS)
        shutil.rmtree(place, ignore_errors=True)


def _address(process: subprocess.Popen[bytes], output: Path) -> str:
    end = time.monotonic() + _START_SECONDS
    while "Ctrl+C stops it" not in (text := output.read_text(encoding="utf-8")):
        if process.poll() is not None or time.monotonic() > end:
            raise SystemExit(f"the service does not start: {text}")
        time.sleep(0.05)
    found = re.search(r"http://127\.0\.0\.1:\d+", text)
    if found is None:
        raise SystemExit(f"the service says no address: {text}")
    return found.group()


def _push(url: str) -> str:
    body = {"name": "bacen", "source": SCRIPT, "activate": True}
    answer = httpx.post(f"{url}/api/v1/projects/{PROJECT}/scripts", json=body, timeout=60).raise_for_status()
    return f"/api/v1/projects/{PROJECT}/scripts/{answer.json()['id']}/executions"


def check_result(output: Any) -> None:
    """End the benchmark where a result is not the documented one."""
    if len(output) != GROUPS or output[0]["qtdTransacoesNacionais"] != _NATIONAL_VISA:
        raise SystemExit(f"a wrong result: {output}")


class KeptConnection:
    """One HTTP/1.1 connection; as little work as asking needs, for the generator shares the cores."""

    def __init__(self, url: str) -> None:
        place = urlsplit(url)
        self._host, self._port = place.hostname or "", place.port or 0

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Send a body and return status and body of the answer."""
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        self._writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", answer)
        content = await self._reader.readexactly(int(length.group(1))) if length else b""
        return int(answer.split(b" ", 2)[1]), content
