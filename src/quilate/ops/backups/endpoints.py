"""The source document's routes of backups, at the root: ``/api/backup/database``, ``/logs``, ``/cleanup``."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, Principal
from quilate.kit.web.answers import problem_responses
from quilate.ops.backups.service import BackupService


class BackupView(BaseModel):
    """What a backup left, in the source document's words."""

    success: bool = Field(description="True; a backup that failed is answered as a problem.")
    backupPath: str = Field(description="The file on the service's machine; empty after a clean-up.")  # noqa: N815 - the source document's name
    message: str = Field(description="What was done.")
    timestamp: datetime = Field(description="When it was done.")


def make_backup_router(service: BackupService, access: Access) -> APIRouter:
    """Return the routes, to be mounted at the root."""
    router = APIRouter(prefix="/api/backup", tags=["operations"])
    administrator = Depends(access.instance(Permission.INSTANCE_ADMIN))

    @router.post(
        "/database",
        operation_id="back_up_database",
        summary="Back up the database",
        responses=problem_responses(401, 403, 409),
    )
    async def back_up_database(granted: Annotated[Principal, administrator]) -> BackupView:
        """Write the whole database into a file that ``quilate admin restore`` reads."""
        return _view(await service.database_backup(str(granted.actor)), "the database was backed up")

    @router.post(
        "/logs",
        operation_id="back_up_logs",
        summary="Back up the logs",
        responses=problem_responses(401, 403, 409),
    )
    async def back_up_logs(granted: Annotated[Principal, administrator]) -> BackupView:
        """Pack the logs of the processes that ``quilate up`` runs."""
        return _view(await service.log_backup(str(granted.actor)), "the logs were backed up")

    @router.post(
        "/cleanup",
        operation_id="clean_up_backups",
        summary="Delete old backups",
        responses=problem_responses(401, 403),
    )
    async def clean_up_backups(granted: Annotated[Principal, administrator]) -> BackupView:
        """Delete backups that are older than they are kept; the newest of the database stays."""
        names = await service.clean_up(str(granted.actor))
        return _view(None, f"{len(names)} old backups were deleted")

    return router


def _view(file: Path | None, message: str) -> BackupView:
    return BackupView(success=True, backupPath=str(file) if file else "", message=message, timestamp=datetime.now(UTC))
