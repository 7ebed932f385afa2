"""A process that delivers until it is killed: ``python -m tests.support.dispatcher_process DATABASE_URL DIRECTORY``."""

import asyncio
import sys
from pathlib import Path

from quilate.deliveries.dispatching import run_deliveries
from quilate.kit.database.database import Database
from tests.support.deliveries import QUICK, parts
from tests.support.delivery_connectors import register


async def main(url: str, directory: Path) -> None:
    """Deliver."""
    register()
    async with Database.open(url, name="dispatcher", max_size=4) as database:
        await run_deliveries(parts(database, directory), asyncio.Event(), QUICK)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
