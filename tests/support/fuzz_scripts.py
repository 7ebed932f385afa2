"""Scripts and executions for fuzzing: one of each state that something can be done with."""

from typing import Any, Protocol

from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from tests.support.fuzz_hooks import PROJECT, SCRIPT, STEP

SCRIPT_TAGS = ("scripts", "executions", "scripts of the source documents")
"""Slices whose paths name scripts and executions."""

_BASE = f"/projects/{PROJECT}/scripts"
_PRIVILEGED = {"limits": {"wall_seconds": 10}}
_VERSION, _EXECUTION = "/versions/{version}", "/executions/{execution}"

_QUARANTINE = "UPDATE script_versions SET quarantined = true, crashes = 3 WHERE script_id = %s AND number = %s"
_COPY = """
INSERT INTO script_executions
    (id, project_id, script_id, version_id, status, dead, created_by, input_format, input_size, input_digest,
     request_digest, ended_at)
SELECT %(new)s, project_id, script_id, version_id, %(status)s, %(dead)s, created_by, input_format, input_size,
    input_digest, request_digest, CASE WHEN %(dead)s THEN now() END
FROM script_executions WHERE id = %(old)s
"""
_COPY_INPUT = """
INSERT INTO script_payloads (execution_id, part, data)
SELECT %(new)s, part, data FROM script_payloads WHERE execution_id = %(old)s AND part = 'input'
"""
_QUEUE = """
INSERT INTO script_queue (execution_id, project_id, priority, ready_at)
SELECT id, project_id, 0, now() + interval '1 day' FROM script_executions WHERE id = %(new)s
"""


class Author(Protocol):
    """Requests of a developer."""

    def post(self, path: str, **sent: Any) -> Any:
        """Return the answer to a POST."""
        ...


async def scripts_of(author: Author, database: Database, name: str) -> tuple[dict[str, str], dict[str, dict[str, str]]]:
    """Make a script with versions in every state, and executions.

    Args:
        author: A developer, so that the others may approve.
        database: For what only workers make.
        name: Of the script.

    Returns:
        Path parameters; and, by the end of an operation's path, those for which the operation does what it is for.
    """
    script = str(author.post(_BASE, json={"name": name, "source": SCRIPT, "activate": True})["id"])
    # Numbers by what is done with them; 1 and 2 have both been active.
    wishes: dict[str, dict[str, Any]] = {
        "": {"activate": True},
        "activate": {},
        "submit": _PRIVILEGED,
        "approve": _PRIVILEGED,
        "refuse": _PRIVILEGED,
        "retire": {},
        "release": {},
    }
    aims = {STEP: {"script": script, "version": "1"}}
    for number, (action, wish) in enumerate(wishes.items(), start=2):
        author.post(f"{_BASE}/{script}/versions", json={"source": f"{SCRIPT} // {number}", **wish})
        if action:
            aims[f"{_VERSION}/{action}"] = {"script": script, "version": str(number)}
    for action in ("approve", "refuse"):
        author.post(f"{_BASE}/{script}/versions/{aims[f'{_VERSION}/{action}']['version']}/submit")
    execution = author.post(f"{_BASE}/{script}/executions?wait=30", json=[{"value": 1, "who": "maria"}])
    waiting, dead = uuid7(), uuid7()
    async with database.transaction() as connection:
        await connection.execute(_QUARANTINE, (script, int(aims[f"{_VERSION}/release"]["version"])))
        for new, status in ((waiting, "pending"), (dead, "failed")):
            told = {"new": new, "old": execution["id"], "status": status, "dead": new is dead}
            await connection.execute(_COPY, told)
            await connection.execute(_COPY_INPUT, told)
        await connection.execute(_QUEUE, {"new": waiting})
    aims[f"{_EXECUTION}/cancel"] = {"execution": str(waiting)}
    aims[f"{_EXECUTION}/replay"] = {"execution": str(dead)}
    if execution["status"] != "completed":
        raise RuntimeError(f"the script did not run: {execution}")
    parameters = {"script": script, "script_id": script, "execution": execution["id"], "execution_id": execution["id"]}
    return parameters, aims
