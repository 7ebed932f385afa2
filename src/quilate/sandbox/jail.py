"""The strongest level: bubblewrap puts a worker into namespaces of its own, without a network, before it locks itself.

Source: bwrap(1). ``works`` tries it once: where namespaces are forbidden (many containers) it is not used.
"""

import contextlib
import shutil
import subprocess
from pathlib import Path
from typing import Final

_TRY_SECONDS: Final = 10.0
_OPTIONS: Final = (
    "--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--setenv", "TZ", "UTC",
    "--cap-drop", "ALL", "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--chdir", "/",
)  # fmt: skip


def arguments() -> tuple[str, ...]:
    """What stands before a command that shall run jailed; empty where it does not work."""
    program = shutil.which("bwrap")
    if program is None:
        return ()
    command = (program, *_OPTIONS)
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command that does nothing
            [*command, "/bin/true"], env={}, capture_output=True, check=False, timeout=_TRY_SECONDS
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return command if done.returncode == 0 else ()


def child_of(process: int) -> int | None:
    """The worker below bubblewrap's two processes, as the host numbers it; ``None`` where /proc does not say."""
    for _ in range(2):
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
            if children:
                process = int(children[0])
                continue
        return None
    return process
