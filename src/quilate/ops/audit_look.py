"""Is the audit log well: does it go on, or does it refuse because it contradicts what was signed before."""

from quilate.audit.service import AuditService
from quilate.kit.database.database import Database
from quilate.ops.health import Look, Probe, Wellness


def audit_look(database: Database) -> Look:
    """Return the look at the audit log; its refusal keeps no request away, since what is accepted waits for it.

    The reason itself stands behind a login: it tells how many entries there are.
    """
    service = AuditService(database)

    async def look() -> Probe:
        if await service.refusal():
            return Probe(
                wellness=Wellness.WARNING, detail="the audit log does not go on: GET /api/v1/audit/head says why"
            )
        return Probe(wellness=Wellness.OK)

    return look
