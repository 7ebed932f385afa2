"""The background process: schedules, recovery of lost work, deliveries, exports, the audit log's sequencer.

``python -m quilate.app.service.background``. Any number may run on any number of machines: advisory locks in the
database let one at a time do each piece.
"""

import asyncio
import sys
from collections.abc import Awaitable

from quilate.app.service.role import run_role
from quilate.app.service.settings import Settings
from quilate.kit.database.database import Database

_CONNECTIONS = 8


async def run_background(settings: Settings, stop: asyncio.Event) -> None:
    """Do the background work until ``stop``; the sequencer ends last, so that it takes in what the others still wrote.

    Raises:
        Exception: What ended one of them; the process then ends and is started again.
    """
    from quilate.accounts.trail.sealing import run_trail  # noqa: PLC0415 - as below
    from quilate.app.service.delivering import sending_parts  # noqa: PLC0415 - as below
    from quilate.app.service.exporting import export_parts  # noqa: PLC0415 - as below
    from quilate.app.service.housekeeping import retention_of, run_housekeeping  # noqa: PLC0415 - as below
    from quilate.audit.sequencer import run_sequencer  # noqa: PLC0415 - its imports are most of this process
    from quilate.connectors.forges.people import Forge  # noqa: PLC0415 - as above
    from quilate.deliveries.dispatching import run_deliveries  # noqa: PLC0415 - as above
    from quilate.evidence.artifacts import DirectoryArtifactStore  # noqa: PLC0415 - as above
    from quilate.kit.outgoing.addresses import AddressPolicy  # noqa: PLC0415 - as above
    from quilate.kit.outgoing.http import OutgoingHttp  # noqa: PLC0415 - as above
    from quilate.kit.secrets.box import open_box  # noqa: PLC0415 - as above
    from quilate.kit.secrets.opened import OpenedWhenUsed  # noqa: PLC0415 - as above
    from quilate.ops.comments.working import CommentParts, keep_command, run_comments  # noqa: PLC0415 - as above
    from quilate.runs.durable.recovery import run_recovery  # noqa: PLC0415 - as above
    from quilate.runs.schedules.scheduler import run_scheduler  # noqa: PLC0415 - as above
    from quilate.runs.triggers.polling import run_registry_polls  # noqa: PLC0415 - as above
    from quilate.runs.triggers.working import run_triggers  # noqa: PLC0415 - as above
    from quilate.scripts.exports.working import run_exports  # noqa: PLC0415 - as above

    connections = min(settings.database_connections, _CONNECTIONS)
    sealed = OpenedWhenUsed(lambda: open_box(settings.secrets_key))
    policy = AddressPolicy(allow_private=settings.private_addresses, allow_plain_http=settings.plain_http)
    http = OutgoingHttp(policy=policy)
    async with Database.open(settings.database_url, name="quilate background", max_size=connections) as database:
        ending = asyncio.Event()
        sending = sending_parts(settings, database, DirectoryArtifactStore(settings.artifact_directory))
        await run_in_order(
            stop,
            (
                run_scheduler(database, stop),
                run_recovery(database, stop),
                run_triggers(database, stop, on_comment=keep_command, retention_days=settings.event_days),
                run_registry_polls(database, stop, secrets=sealed, http=http),
                run_trail(database, stop, days=settings.access_record_days),
                run_housekeeping(database, stop, retention_of(settings)),
                run_deliveries(sending, stop),
                run_exports(export_parts(settings, database), stop),
                run_comments(CommentParts(sending=sending, open_forge=Forge, secrets=sealed), stop),
            ),
            run_sequencer(database, settings.state, ending),
            ending,
        )


async def run_in_order(
    stop: asyncio.Event, first: tuple[Awaitable[None], ...], last: Awaitable[None], ending: asyncio.Event
) -> None:
    """Run all of them; when any has ended stop the first ones, then the last one.

    Args:
        stop: Asks the first ones to stop; set here too, when one ended by itself.
        first: What ends first.
        last: What ends last.
        ending: Asks the last one to stop.

    Raises:
        Exception: The first error of any.
    """
    tasks = [asyncio.ensure_future(each) for each in first]
    final = asyncio.ensure_future(last)
    await asyncio.wait({*tasks, final}, return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.wait(tasks)
    ending.set()
    await asyncio.wait({final})
    for task in (*tasks, final):
        await task


if __name__ == "__main__":
    sys.exit(run_role("background", run_background))
