"""Reading runs from the database; nothing here decides or writes."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from quilate.kit.database.database import Connection, Database
from quilate.kit.web.paging import Page, cut_page, decode_cursor
from quilate.runs.api.model import AttemptRow, FindingFilter, RunFilter, RunRow
from quilate.runs.api.sql import QUERIES
from quilate.runs.api.times import first_id_at

_LONGEST_HISTORY = 200

Row = Mapping[str, Any]


class RunStore:
    """The rows that the routes show. Every method names the project: no row of another one is ever found."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def list_runs(self, project_id: UUID, wanted: RunFilter, cursor: str, limit: int) -> Page[RunRow]:
        """Return runs, newest first."""
        name = "list_runs" if wanted.subject is None else "list_runs_of_subject"
        rows = await self._all(
            name,
            project=project_id,
            before=_before(cursor),
            since=first_id_at(wanted.since) if wanted.since else None,
            until=first_id_at(wanted.until) if wanted.until else None,
            status=wanted.status,
            verdict=wanted.verdict,
            event=wanted.event,
            branch=wanted.branch,
            subject=wanted.subject,
            limit=limit + 1,
        )
        return cut_page(rows, limit, lambda row: (row["id"],))

    async def run(
        self, project_id: UUID, run_id: UUID
    ) -> tuple[RunRow, Sequence[AttemptRow], Sequence[Row], Sequence[Row]] | None:
        """Return a run's row, attempts, counts of findings and checks in flight, all of one moment."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["one_moment"])
            run = await _first(connection, "run", run=run_id, project=project_id)
            if run is None:
                return None
            return (
                run,
                await _rows(connection, "attempts", run=run_id),
                await _rows(connection, "finding_counts", run=run_id),
                await _rows(connection, "checks_in_flight", run=run_id),
            )

    async def version(self, project_id: UUID, run_id: UUID) -> int | None:
        """Return a run's version, or ``None`` where the project has no such run."""
        row = await self.standing(project_id, run_id)
        return None if row is None else int(row["version"])

    async def standing(self, project_id: UUID, run_id: UUID) -> Row | None:
        """Return a run's status and version."""
        return await self._one("run_exists", run=run_id, project=project_id)

    async def project_of_run(self, run_id: UUID) -> str | None:
        """Return the slug of the project that a run belongs to."""
        row = await self._one("project_of_run", run=run_id)
        return None if row is None else str(row["slug"])

    async def submission(self, project_id: UUID, run_id: UUID) -> Row | None:
        """Return what was submitted."""
        return await self._one("submission", run=run_id, project=project_id)

    async def plan(self, project_id: UUID, run_id: UUID) -> bytes | None:
        """Return the text of a run's plan, once it has one."""
        row = await self._one("plan_of_run", run=run_id, project=project_id)
        return None if row is None else bytes(row["plan"])

    async def attempts_of_check(self, run_id: UUID, check: str) -> Sequence[AttemptRow]:
        """Return the attempts of one check, first to last; ask for the run's project before."""
        return await self._all("attempts_of_check", run=run_id, check=check)

    async def findings(self, run_id: UUID, wanted: FindingFilter, cursor: str, limit: int) -> Page[Row]:
        """Return findings in the order of check, attempt and place; ask for the run's project before."""
        after = decode_cursor(cursor, tuple[str, int, int]) or (None, None, None)
        rows = await self._all(
            "findings",
            run=run_id,
            check=wanted.check,
            rule=wanted.rule,
            severities=list(wanted.severities) if wanted.severities is not None else None,
            path=wanted.path,
            fingerprint=wanted.fingerprint,
            all_attempts=wanted.all_attempts,
            after_check=after[0],
            after_attempt=after[1],
            after_place=after[2],
            limit=limit + 1,
        )
        return cut_page(rows, limit, lambda row: (row["check_id"], row["attempt"], row["place"]))

    async def decision(self, project_id: UUID, run_id: UUID) -> Row | None:
        """Return a run's decision, its input and its seal; a document that is NULL is an artifact of its digest."""
        return await self._one("decision", run=run_id, project=project_id)

    async def history(self, project_id: UUID, run_id: UUID, branch: str) -> Sequence[Row]:
        """Return what the runs of the same branch before this one said, newest first."""
        return await self._all("history", project=project_id, run=run_id, branch=branch, limit=_LONGEST_HISTORY)

    async def seals(self, project_id: UUID, subject: str, cursor: str, limit: int) -> Page[Row]:
        """Return the seals of a subject, newest first."""
        rows = await self._all(
            "seals_of_subject", project=project_id, subject=subject, before=_before(cursor), limit=limit + 1
        )
        return cut_page(rows, limit, lambda row: (row["run_id"],))

    async def dead_letters(self, project_id: UUID, *, replayed: bool | None, cursor: str, limit: int) -> Page[Row]:
        """Return dead letters, newest first."""
        rows = await self._all(
            "list_dead_letters", project=project_id, replayed=replayed, before=_before(cursor), limit=limit + 1
        )
        return cut_page(rows, limit, lambda row: (row["id"],))

    async def dead_letter(self, project_id: UUID, letter_id: UUID) -> Row | None:
        """Return one dead letter with what had been submitted."""
        return await self._one("dead_letter", project=project_id, letter=letter_id)

    async def watched_runs(
        self, versions: Mapping[UUID, int]
    ) -> tuple[Sequence[Row], Sequence[AttemptRow], Sequence[Row]]:
        """Return the rows of runs, their attempts after the given versions and their checks in flight."""
        async with self._database.transaction() as connection:
            await connection.execute(QUERIES["one_moment"])
            runs = await _rows(connection, "watched_runs", runs=list(versions))
            changed = [row["id"] for row in runs if row["version"] > versions[row["id"]]]
            attempts: Sequence[Row] = ()
            if changed:
                attempts = await _rows(
                    connection, "watched_attempts", runs=changed, versions=[versions[run] for run in changed]
                )
            return runs, attempts, await _rows(connection, "watched_checks", runs=list(versions))

    async def watched_logs(self, checks: Sequence[tuple[UUID, str]]) -> Sequence[Row]:
        """Return how far the logs of checks go."""
        return await self._all("watched_logs", runs=[run for run, _ in checks], checks=[check for _, check in checks])

    async def log_pieces(self, run_id: UUID, check: str, after: tuple[int, int], limit: int) -> Sequence[Row]:
        """Return the pieces of a log after a place."""
        return await self._all("log_pieces", run=run_id, check=check, attempt=after[0], sequence=after[1], limit=limit)

    async def last_log_pieces(self, run_id: UUID, check: str, limit: int) -> Sequence[Row]:
        """Return the last pieces of a log, first to last."""
        return list(reversed(await self._all("last_log_pieces", run=run_id, check=check, limit=limit)))

    async def has_check(self, run_id: UUID, check: str) -> bool:
        """Tell whether a check of that name is running, waiting in a queue or has run."""
        row = await self._one("check_is_known", run=run_id, check=check)
        return row is not None and bool(row["known"])

    async def _all(self, name: str, **arguments: Any) -> Sequence[Row]:
        async with self._database.connection() as connection:
            return await _rows(connection, name, **arguments)

    async def _one(self, name: str, **arguments: Any) -> Row | None:
        async with self._database.connection() as connection:
            return await _first(connection, name, **arguments)


async def _rows(connection: Connection, name: str, **arguments: Any) -> Sequence[Row]:
    cursor = await connection.execute(QUERIES[name], arguments)
    return await cursor.fetchall()


async def _first(connection: Connection, name: str, **arguments: Any) -> Row | None:
    cursor = await connection.execute(QUERIES[name], arguments)
    return await cursor.fetchone()


def _before(cursor: str) -> UUID | None:
    place = decode_cursor(cursor, tuple[UUID])
    return place[0] if place is not None else None
