"""What ``quilate doctor`` asks about the service: database, schema, clock, queue, secrets, disk."""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from quilate.app.cli.diagnosis import Diagnosis, Health
from quilate.app.service.settings import Settings, load_settings
from quilate.blueprints.project_file import find_projects, is_project
from quilate.domain.errors import ConfigurationErrors, QuilateError
from quilate.kit.database.embedded_place import has_data
from quilate.kit.words import counted

_SKEW_SECONDS = 1.0
"""Leases and schedules go by the database's clock, logs and tokens by each machine's: more than this confuses both."""
_MOST_SKEW_SECONDS = 5.0
_OLD_SECONDS = 300.0
_LITTLE_DISK = 2 << 30
_CROWDED = 0.8
_OPEN_TO_OTHERS = 0o077
_SECRETS = ("postgres/password", "keys/**/*", "audit-key*", "backups/*.dump")


def diagnose_service(path: Path, given: Path | None = None) -> Iterator[Diagnosis]:
    """Yield everything that matters for the service, nothing where none is configured at ``path``.

    Args:
        path: Directory of a project, of a service, or of a service's state.
        given: State directory that somebody named: without a service there that is a problem.
    """
    try:
        settings = load_settings(state=given or _state_at(path))
    except QuilateError as error:
        for each in error.errors if isinstance(error, ConfigurationErrors) else (error,):
            yield Diagnosis(health=Health.PROBLEM, text=str(each), fix=each.next_step)
        return
    if not settings.database_url and not has_data(settings.postgres_directory):
        if given is not None:
            text = f"service: none has run in {given}"
            yield Diagnosis(health=Health.PROBLEM, text=text, fix=f"quilate up --state {given}")
        return
    yield from _secrets(settings)
    if settings.state.exists():
        yield _disk(settings.state)
    yield from _database(settings)


def is_service(path: Path) -> bool:
    """Tell whether a service is configured at ``path`` or has run there, and no project lies there."""
    try:
        if _is_state(path):
            return True  # What lies below are files of runs, whose projects are not meant.
        settings = load_settings(state=_state_at(path))
        projects = find_projects(path)
    except QuilateError:
        return False
    return bool(settings.database_url or has_data(settings.postgres_directory)) and not any(map(is_project, projects))


def _state_at(path: Path) -> Path | None:
    """Return where the service of ``path`` keeps its state; nothing where the environment says it."""
    if _is_state(path):
        return path
    return None if os.environ.get("QUILATE_STATE") else path / ".quilate"


def _is_state(path: Path) -> bool:
    return not is_project(path) and has_data(load_settings(state=path).postgres_directory)


def _database(settings: Settings) -> Iterator[Diagnosis]:
    from quilate.kit.database.embedded_files import running_address  # noqa: PLC0415 - only where a service is

    try:
        url = settings.database_url or running_address(settings.postgres_directory)
        if not url:
            text = f"service: the database in {settings.state} does not run"
            yield Diagnosis(health=Health.WARNING, text=text, fix=f"quilate up --state {settings.state}")
            return
        yield from asyncio.run(_asked(url))
    except QuilateError as error:
        yield Diagnosis(health=Health.PROBLEM, text=f"service: {error}", fix=error.next_step)


async def _asked(url: str) -> list[Diagnosis]:
    from quilate.app.service.schema import service_migrations  # noqa: PLC0415 - only where a service is
    from quilate.audit.service import AuditService  # noqa: PLC0415 - as above
    from quilate.kit.database.addresses import shown_address  # noqa: PLC0415 - as above
    from quilate.kit.database.database import Database  # noqa: PLC0415 - as above
    from quilate.kit.database.inspection import refuse_old_server  # noqa: PLC0415 - as above
    from quilate.ops.diagnostics import queue_depths  # noqa: PLC0415 - as above

    facts = await refuse_old_server(url)
    found = [
        Diagnosis(health=Health.GOOD, text=f"database {shown_address(url)}: PostgreSQL {facts.major_version}"),
        _schema(facts.schema_version, len(service_migrations())),
        _clock(facts.clock_ahead_seconds, facts.clock_error_seconds),
        _connections(facts.connections, facts.most_connections),
    ]
    async with Database.open(url, name="quilate doctor", max_size=1) as database:
        found.append(_audit_log(await AuditService(database).refusal()))
        async with database.connection() as connection:
            queues = await queue_depths(connection)
    if not queues:
        found.append(Diagnosis(health=Health.GOOD, text="queues: nothing waits"))
    for queue in queues:
        text = f"queue {queue.queue}: {queue.waiting} waiting, {queue.running} running"
        if queue.waiting and queue.oldest_seconds > _OLD_SECONDS:
            text += f", the oldest for {queue.oldest_seconds:.0f} s"
            fix = f"start more workers for it: quilate worker --queues {queue.queue}"
            found.append(Diagnosis(health=Health.WARNING, text=text, fix=fix))
        else:
            found.append(Diagnosis(health=Health.GOOD, text=text))
    return found


def _schema(found: int, known: int) -> Diagnosis:
    if found > known:
        text = f"schema version {found}, this program knows {known}"
        return Diagnosis(health=Health.PROBLEM, text=text, fix="install the version of Quilate that wrote it, or newer")
    if found < known:
        text = f"schema version {found}, this program needs {known}"
        return Diagnosis(health=Health.PROBLEM, text=text, fix="quilate admin migrate")
    return Diagnosis(health=Health.GOOD, text=f"schema version {found}")


def _audit_log(refusal: str) -> Diagnosis:
    if refusal:
        text = f"audit log: it does not go on, {refusal}"
        return Diagnosis(health=Health.PROBLEM, text=text, fix="see where: quilate audit verify")
    return Diagnosis(health=Health.GOOD, text="audit log: it goes on")


def _clock(ahead: float, error: float) -> Diagnosis:
    surely = max(abs(ahead) - error, 0.0)
    text = f"clock: the database's is {abs(ahead):.3f} s {'ahead of' if ahead > 0 else 'behind'} this machine's"
    if surely > _SKEW_SECONDS:
        health = Health.PROBLEM if surely > _MOST_SKEW_SECONDS else Health.WARNING
        return Diagnosis(health=health, text=text, fix="let NTP set both clocks: timedatectl set-ntp true")
    return Diagnosis(health=Health.GOOD, text=text)


def _connections(used: int, most: int) -> Diagnosis:
    text = f"database connections: {used} of {most}"
    if used > _CROWDED * most:
        return Diagnosis(
            health=Health.WARNING, text=text, fix="raise max_connections or lower QUILATE_DATABASE_CONNECTIONS"
        )
    return Diagnosis(health=Health.GOOD, text=text)


def _secrets(settings: Settings) -> Iterator[Diagnosis]:
    files = [file for pattern in _SECRETS for file in settings.state.glob(pattern) if file.is_file()]
    public = [file for file in files if ".pub" in file.suffixes]
    opened = [file for file in files if file not in public and stat.S_IMODE(file.stat().st_mode) & _OPEN_TO_OTHERS]
    for file in opened:
        yield Diagnosis(health=Health.PROBLEM, text=f"{file} can be read by others", fix=f"chmod 600 {file}")
    if files and not opened:
        text = f"service keys, passwords and backups: {counted(len(files), 'file')}, for this user only"
        yield Diagnosis(health=Health.GOOD, text=text)


def _disk(state: Path) -> Diagnosis:
    free = shutil.disk_usage(state).free
    text = f"{free >> 30} GiB free for the service in {state}"
    if free < _LITTLE_DISK:
        fix = "make room, or move the state directory: a full disk stops the database"
        return Diagnosis(health=Health.PROBLEM, text=text, fix=fix)
    return Diagnosis(health=Health.GOOD, text=text)
