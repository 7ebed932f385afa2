"""The environments of the peers: made once beneath ``.peers``, at pinned versions, with uv."""

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
_DIRECTORY = _HERE.parent / ".peers"
_INSTALL_SECONDS = 600
_LONGEST_SECONDS = 900
_REASON_LENGTH = 400


class PeerError(Exception):
    """A peer cannot be installed, or did not come to an end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A product that the engine is held against.

    Attributes:
        name: The product, also the name of its program here.
        version: The version that is measured.
        beside: What it needs besides, at the versions that it works with.
        durable_workflows: Whether it keeps the state of a workflow itself; else it is a queue of jobs.
        share: Runs measured, beside those of the others.
    """

    name: str
    version: str
    beside: tuple[str, ...] = ()
    durable_workflows: bool = False
    share: float = 1.0

    @property
    def requirements(self) -> list[str]:
        """What is installed."""
        return [f"{self.name}=={self.version}", *self.beside]


PEERS = (
    Peer(name="dbos", version="3.4.0", beside=("psycopg[binary]==3.3.9",), durable_workflows=True),
    Peer(
        name="pgqueuer",
        version="1.6.0",
        beside=("psycopg[binary,pool]==3.3.9", "asyncpg==0.32.0", "uvloop==0.23.0"),
        share=10.0,
    ),
    Peer(name="procrastinate", version="3.10.0", beside=("psycopg[binary,pool]==3.3.9",)),
    # Later versions of FastAPI and SQLAlchemy break its server.
    Peer(
        name="prefect",
        version="3.8.8",
        beside=("fastapi==0.139.0", "sqlalchemy==2.0.58"),
        durable_workflows=True,
        share=0.1,
    ),
)


def installed(peer: Peer) -> Path:
    """Return the interpreter of a peer's environment, made if it is not there as it is to be.

    Raises:
        PeerError: It does not install; says why.
    """
    directory = _DIRECTORY / peer.name
    interpreter, record = directory / "bin" / "python", directory / "installed.json"
    if record.is_file() and json.loads(record.read_text(encoding="utf-8")) == peer.requirements:
        return interpreter
    uv = shutil.which("uv") or str(_HERE.parents[1] / ".uv" / "bin" / "uv")
    _command([uv, "venv", "--quiet", "--clear", str(directory)])
    _command([uv, "pip", "install", "--quiet", "--python", str(interpreter), *peer.requirements])
    record.write_text(json.dumps(peer.requirements), encoding="utf-8")
    return interpreter


def measured(peer: Peer, interpreter: Path, url: str, *, runs: int, workers: int) -> dict[str, Any]:
    """Let a peer work and return what its program says.

    Raises:
        PeerError: It failed or took too long.
    """
    argv = [str(interpreter), "-m", f"peers.{peer.name}_peer", url, str(runs), str(workers)]
    figures: dict[str, Any] = json.loads(_command(argv, seconds=_LONGEST_SECONDS))
    return figures


def _command(argv: list[str], *, seconds: float = _INSTALL_SECONDS) -> str:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("QUILATE_", "PYTHON"))}
    try:
        done = subprocess.run(
            argv, cwd=_HERE.parent, env=environment, capture_output=True, text=True, timeout=seconds, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PeerError(f"{Path(argv[0]).name}: {error}"[:_REASON_LENGTH]) from error
    if done.returncode:
        raise PeerError(done.stderr.strip()[-_REASON_LENGTH:] or f"{argv[0]} ended with {done.returncode}")
    return done.stdout
