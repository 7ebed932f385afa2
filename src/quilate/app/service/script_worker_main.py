"""The process that executes hosted scripts: ``python -m quilate.app.service.script_worker_main``."""

import asyncio
import sys

from quilate.app.service.role import run_role
from quilate.app.service.settings import Settings


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Work until ``stop``; what is under way then goes back to the queue."""
    from quilate.app.service.script_worker import run_script_worker  # noqa: PLC0415 - its imports are most of this

    await run_script_worker(settings, stop)


if __name__ == "__main__":
    sys.exit(run_role("script-worker", work))
