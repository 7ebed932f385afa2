"""Hand the log over to a new key: both keys sign the entry that says so."""

import asyncio
import time
from collections.abc import Sequence

from quilate.audit import store
from quilate.audit.entries import append_entries
from quilate.audit.key_entries import replaced_entry, rotated_entry
from quilate.audit.keys import Keyring
from quilate.audit.notes import VerifierKey
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Connection, Database

_POLL_SECONDS = 0.1


async def rotate_key(
    database: Database, keyring: Keyring, actor: str, *, old_key_lost: bool = False
) -> tuple[VerifierKey, ...]:
    """Make a new key and append the entry that hands the log over to it; return its public halves.

    The sequencer signs with it from the entry's place on.

    Args:
        database: The service's database.
        keyring: Where the log's keys are.
        actor: Who does it, as the log names them.
        old_key_lost: Do without the old key's signature; verifiers must then be told to trust the new one.

    Raises:
        ConfigurationError: There is no log yet, the old key is not here, or a rotation is under way.
    """
    async with database.transaction() as connection:
        origin, verifiers = await _present(connection)
        old = keyring.find(verifiers)
        if old is None and not old_key_lost:
            raise ConfigurationError(
                f"the audit log's signing key ({verifiers[0].key_id.hex()}) is not on this machine",
                next_step="rotate it where it is; if it is lost for good give --old-key-lost",
            )
        new = keyring.create_next(origin)
        entry = (
            rotated_entry(origin, actor, old, new)
            if old is not None and not old_key_lost
            else replaced_entry(origin, actor, verifiers, new)
        )
        await append_entries(connection, [entry])
    return new.verifiers


async def _present(connection: Connection) -> tuple[str, tuple[VerifierKey, ...]]:
    """Return the log's name and key; until the transaction ends the sequencer places nothing."""
    tree = await store.read_tree(connection, for_update=True)
    keys = await store.read_keys(connection) if tree is not None else []
    if tree is None or not keys:
        raise ConfigurationError("the audit log has not begun yet", next_step="start the service first: quilate up")
    if await store.key_entry_pending(connection):
        raise ConfigurationError(
            "a rotation of the audit log's key is under way", next_step="start the service, which completes it"
        )
    return tree.origin, keys[-1][1]


async def wait_until_taken_up(database: Database, verifiers: Sequence[VerifierKey], seconds: float) -> bool:
    """Tell whether the sequencer took up a key within a time."""
    end = time.monotonic() + seconds
    while True:
        async with database.connection() as connection:
            keys = await store.read_keys(connection)
        if keys and keys[-1][1] == tuple(verifiers):
            return True
        if time.monotonic() >= end:
            return False
        await asyncio.sleep(_POLL_SECONDS)
