"""A worker process: ``python -m quilate.app.service.worker_main``."""

import asyncio
import contextlib
import sys

from quilate.app.service.role import run_role
from quilate.app.service.settings import Settings


async def work(settings: Settings, stop: asyncio.Event) -> None:
    """Work until ``stop``; what is under way then goes back to the queue."""
    from quilate.app.service.worker import run_worker  # noqa: PLC0415 - its imports are most of this process

    worker = asyncio.ensure_future(run_worker(settings))
    asked = asyncio.create_task(stop.wait())
    await asyncio.wait({worker, asked}, return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    if not worker.done():
        worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
        return
    await worker


if __name__ == "__main__":
    sys.exit(run_role(work))
