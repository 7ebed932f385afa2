"""Find the programs that checks wrap."""

import os
import shutil
import sys
from pathlib import Path

from quilate.checks.api import Tool
from quilate.domain.errors import ToolMissingError


def find_tool(tool: Tool) -> str:
    """Return the absolute path of a tool: beside the running interpreter first, then on PATH.

    Raises:
        ToolMissingError: It is nowhere; ``next_step`` is the command that installs it.
    """
    beside = Path(sys.executable).parent / tool.name
    if beside.is_file() and os.access(beside, os.X_OK):
        return str(beside)
    found = shutil.which(tool.name)
    if found is None:
        raise ToolMissingError(f"{tool.name} is not installed", next_step=f"install it: {tool.install}")
    return os.path.realpath(found) if not os.path.isabs(found) else found  # noqa: PTH117 - a string, not a path
