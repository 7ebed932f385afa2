"""The report of a fault of Quilate itself."""

import os
import platform
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

from quilate import __version__
from quilate.evidence.redaction import redact_known


def write_crash_report(error: BaseException, arguments: Sequence[str]) -> str:
    """Write a report file and return the sentence that names it.

    Environment variables and local values are left out, since they may hold secrets; what looks like a secret in the
    command or in the error is masked.
    """
    lines = [
        f"quilate {__version__}, Python {platform.python_version()}, {platform.platform()}",
        f"command: quilate {' '.join(arguments)}",
        f"directory: {Path.cwd()}",
        "",
        *traceback.format_exception(error),
    ]
    descriptor, name = tempfile.mkstemp(prefix="quilate-internal-error-", suffix=".txt")
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as report:
        report.write(redact_known("\n".join(lines)))
    kind = type(error).__name__
    return (
        f"internal error: {kind} in quilate itself; no verdict was given.\n"
        f"  The report is in {name}: please attach it to an issue (read it first, it names your paths)."
        + (f"\n  Python: {sys.version.split()[0]}" if os.environ.get("QUILATE_DEBUG") else "")
    )
