"""Run one program as an isolated child."""

import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult


def run_process(
    argv: Sequence[str], *, directory: Path, environment: Mapping[str, str], limits: ProcessLimits, stdin: bytes = b""
) -> ProcessResult:
    """Run ``argv`` to its end and return what it left."""
    begin = time.monotonic()
    done = subprocess.run(  # noqa: S603 - the caller's argv, never a shell
        list(argv),
        cwd=directory,
        env=dict(environment),
        input=stdin,
        capture_output=True,
        check=False,
        timeout=limits.wall_seconds,
    )
    return ProcessResult(
        argv=tuple(argv),
        outcome=ProcessOutcome.EXITED,
        returncode=done.returncode,
        stdout=done.stdout,
        stderr=done.stderr,
        stdout_truncated=False,
        stderr_truncated=False,
        duration_seconds=time.monotonic() - begin,
        descendants_ended=0,
    )
