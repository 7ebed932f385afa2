"""Unpack an uploaded archive in a child process with hard limits."""

import sys
from pathlib import Path

import msgspec

from quilate.kit.process.model import ProcessLimits, ProcessOutcome
from quilate.kit.process.run import run_process
from quilate.runs.workspaces.errors import SourceRefusedError, SourceUnavailableError
from quilate.runs.workspaces.limits import TreeLimits
from quilate.runs.workspaces.unpack import MEMORY_BYTES

_SECONDS = 300.0


class _Outcome(msgspec.Struct):
    left_out: list[str] = []
    refused: str = ""
    unavailable: str = ""
    next_step: str = ""


def unpack_archive(archive: Path, target: Path, limits: TreeLimits) -> tuple[str, ...]:
    """Unpack a tar, tar.gz or zip into an empty directory; return the paths that were left out.

    Raises:
        SourceRefusedError: It is none of them, damaged, hostile, or larger than allowed.
        SourceUnavailableError: The worker's disk is full.
    """
    result = run_process(
        (
            *(sys.executable, "-I", "-m", "quilate.runs.workspaces.unpack"),
            *(str(archive), str(target), msgspec.json.encode(limits).decode()),
        ),
        directory=target.parent,
        environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        limits=ProcessLimits(wall_seconds=_SECONDS, memory_bytes=MEMORY_BYTES, output_bytes=4 << 20),
    )
    if result.outcome is not ProcessOutcome.EXITED or result.returncode != 0 or result.stdout_truncated:
        raise SourceRefusedError(
            "the archive cannot be unpacked within the limits of time and memory",
            next_step="upload a smaller archive of what is judged",
        )
    outcome = msgspec.json.decode(result.stdout, type=_Outcome)
    if outcome.refused:
        raise SourceRefusedError(outcome.refused, next_step=outcome.next_step)
    if outcome.unavailable:
        raise SourceUnavailableError(outcome.unavailable, next_step=outcome.next_step)
    return tuple(outcome.left_out)
