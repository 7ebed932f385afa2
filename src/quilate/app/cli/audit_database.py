"""Open the database that an audit command works on."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from quilate.app.service.service_database import refuse_other_schema
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Database
from quilate.kit.database.faults import REFUSED_ERRORS, said_by


@asynccontextmanager
async def opened_database(url: str) -> AsyncIterator[Database]:
    """Give a small pool on a database whose schema is this program's.

    Raises:
        ConfigurationError: It cannot be reached, has another schema, or does not let its user do this.
    """
    try:
        await refuse_other_schema(url)
        async with Database.open(url, name="quilate audit", max_size=2) as database:
            yield database
    except REFUSED_ERRORS as error:
        raise ConfigurationError(
            f"the database refused this: {said_by(error)}",
            next_step="verifying needs a user who may read every table audit_… and quilate_migrations; an export and a"
            " rotation are entries of the log themselves, so they need the service's own user and no standby",
        ) from error
