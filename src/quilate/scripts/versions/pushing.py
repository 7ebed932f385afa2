"""Adding a version to a script within a transaction."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

from quilate.kit.canonical import to_document
from quilate.kit.database.database import Connection
from quilate.kit.web.problems import Problem
from quilate.scripts.model import Script
from quilate.scripts.versions import lifecycle, store
from quilate.scripts.versions.checking import CheckedWish
from quilate.scripts.versions.compatibility import CompatibilityReport
from quilate.scripts.versions.differences import report_of
from quilate.scripts.versions.model import VersionRecord
from quilate.scripts.versions.recording import tell_of_version
from quilate.scripts.versions.semver import Semver, following


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedVersion:
    """A version that was pushed; ``compatibility`` is ``None`` for one that has no predecessor."""

    record: VersionRecord
    compatibility: CompatibilityReport | None = None


async def push_version(  # noqa: PLR0913, PLR0917 - who pushes what to which
    connection: Connection, actor: str, person: str, script: Script, version_id: UUID, checked: CheckedWish
) -> PushedVersion:
    """Store a version; the caller has locked the script's row.

    Raises:
        Problem: 409, its number is taken or promises what its input schema does not keep, or it cannot be activated.
    """
    wish = checked.wish
    known = {Semver.parse(text): each for text, each in (await store.numbers_of(connection, script.id)).items()}
    semver = checked.semver or following(known)
    if semver.core in {each.core for each in known}:
        raise Problem(
            status=409,
            type="already-exists",
            detail=f"there is a version {semver.core} already, and versions never change",
            next_step=f"push it as {following(known)}, or leave the number out",
        )
    report = await _report(connection, known, semver, checked)
    if report is not None and report.breaks_callers and not wish.allow_breaking:
        before = Semver.parse(report.before)
        if not semver.may_break(before):
            raise _breaking(report, before)
    await store.insert_version(
        connection,
        script,
        version_id,
        wish,
        semver=str(semver),
        schemas=checked.schemas,
        remarks=checked.remarks,
        author=person,
    )
    record = await store.version_by_id(connection, version_id)
    assert record is not None  # noqa: S101 - it was inserted just now
    details = {
        "number": record.version.number,
        "privileged": record.version.privileged,
        "compatibility": None if report is None else report.input.compatibility.value,
    }
    await tell_of_version(connection, actor, script, record.version, "version.pushed", details)
    if wish.activate:
        record = await lifecycle.activate_pushed(connection, actor, script, record.version)
    return PushedVersion(record=record, compatibility=report)


async def _report(
    connection: Connection, known: dict[Semver, UUID], semver: Semver, checked: CheckedWish
) -> CompatibilityReport | None:
    """Compare with the version that comes right before by number."""
    lower = [each for each in known if each.precedence < semver.precedence]
    if not lower:
        return None
    before = await store.version_by_id(connection, known[max(lower, key=lambda each: each.precedence)])
    assert before is not None  # noqa: S101 - versions are never deleted
    schemas = (checked.input_schema, checked.output_schema)
    return await asyncio.to_thread(report_of, before.version, str(semver), schemas)


def _breaking(report: CompatibilityReport, before: Semver) -> Problem:
    changes = [to_document(change) for change in report.input.changes]
    return Problem(
        status=409,
        type="breaking-change",
        detail=f"the input schema may refuse data that {before} takes, and {report.after} does not say so",
        next_step=f"push it as {before.following_breaking()} or higher, or with allow_breaking",
        extensions={"compatibility": report.input.compatibility.value, "changes": changes},
    )
