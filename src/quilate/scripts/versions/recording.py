"""What is told of each change: an audit entry and an outgoing event, in the transaction of the change."""

from collections.abc import Mapping
from typing import Any

from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection
from quilate.outbox.events import OutgoingEvent, append_events
from quilate.scripts.model import Script, ScriptVersion


async def tell_of_script(
    connection: Connection, actor: str, script: Script, what: str, details: Mapping[str, Any] | None = None
) -> None:
    """Tell of a change of a script: ``created``, ``changed``, ``deleted``."""
    facts = {"script": str(script.id), **(details or {})}
    await _tell(connection, actor, script, f"script.{what}", facts)


async def tell_of_version(  # noqa: PLR0913, PLR0917 - who, what, of which
    connection: Connection,
    actor: str,
    script: Script,
    version: ScriptVersion,
    what: str,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Tell of a change of a version: ``version.pushed``, ``activated``, ``quarantined`` and the like."""
    facts = {
        "script": str(script.id),
        "version": str(version.id),
        "semver": version.semver,
        "digest": version.digest,
        "state": version.state.value,
        **(details or {}),
    }
    await _tell(connection, actor, script, f"script.{what}", facts)


async def _tell(connection: Connection, actor: str, script: Script, action: str, facts: Mapping[str, Any]) -> None:
    subject = f"script:{script.id}"
    entry = AuditEntry(action=action, actor=actor, subject=subject, project_id=script.project_id, details=facts)
    await append_entries(connection, [entry])
    event = OutgoingEvent(
        type=f"dev.quilate.{action}",
        project_id=script.project_id,
        subject=subject,
        data={**facts, "name": script.name, "actor": actor},
    )
    await append_events(connection, [event])
