"""A project's rules as its owners have laid them down in the service."""

from datetime import date
from uuid import UUID

from quilate.blueprints.references import builtin_names
from quilate.blueprints.registry.store import published_blueprint
from quilate.kit.database.database import Connection
from quilate.runs.durable.planning import ProjectRules
from quilate.runs.durable.sql import QUERIES
from quilate.waivers.requests.store import approved_waivers


class StoredRules:
    """Reads the project's settings, its published blueprint and its approved waivers."""

    async def read(self, connection: Connection, project_id: UUID, blueprint: str, on: date) -> ProjectRules:
        """Return the rules as they stand now; a name that is both built in and published means the published one."""
        cursor = await connection.execute(QUERIES["project_rules"], {"project": project_id})
        row = await cursor.fetchone()
        protected = row["protected_branch"] if row is not None else "main"
        wanted = blueprint or (row["default_blueprint"] if row is not None else None) or ""
        name, _, version = wanted.partition("@")
        published = await published_blueprint(connection, project_id, name, version or None) if name else None
        if published is None and version and name in builtin_names():
            wanted = name
        return ProjectRules(
            protected_branch=protected,
            blueprint=wanted if published is None else published.name,
            blueprint_text="" if published is None else published.text,
            waivers=await approved_waivers(connection, project_id, on),
        )
