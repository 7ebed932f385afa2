"""Whose verdict a badge may show: whoever has the project's address for it, which a member reads."""

import hashlib
import hmac
from uuid import UUID

from quilate.accounts.model import ProjectAccess
from quilate.kit.database.database import Database
from quilate.kit.database.queries import load_queries
from quilate.kit.secrets.opened import Secrets
from quilate.kit.web.problems import Problem
from quilate.ops.badges.drawing import draw

_QUERIES = load_queries("quilate.ops.badges")


class BadgeService:
    """Draws badges."""

    def __init__(self, database: Database, secrets: Secrets, base_url: str) -> None:
        self._database = database
        self._secrets = secrets
        self._base_url = base_url.rstrip("/")

    def address(self, access: ProjectAccess) -> str:
        """Return the address of a project's badge; it shows verdicts of its branches and nothing else."""
        return f"{self._base_url}/badges/{access.project.slug}/{self._key(access.project.id)}.svg"

    async def badge(self, slug: str, key: str, branch: str | None) -> str:
        """Return the badge of a branch, by default of the protected one.

        Raises:
            Problem: 404, this is not the address of a project's badge.
        """
        async with self._database.connection() as connection:
            cursor = await connection.execute(_QUERIES["project"], {"slug": slug})
            project = await cursor.fetchone()
            # The same work for a project that is not there: nobody learns which ones are.
            expected = self._key(project["id"] if project is not None else UUID(int=0))
            if not hmac.compare_digest(expected.encode(), key.encode()) or project is None:
                raise Problem(status=404, type="not-found", detail="there is no badge at this address")
            wanted = {"project": project["id"], "branch": branch or project["protected_branch"]}
            row = await (await connection.execute(_QUERIES["last_verdict"], wanted)).fetchone()
        return draw(str(row["verdict"]) if row is not None else "")

    def _key(self, project_id: UUID) -> str:
        return hmac.new(self._secrets.derived("badges"), project_id.bytes, hashlib.sha256).hexdigest()[:32]
