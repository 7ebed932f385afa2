"""``/health`` tells that the audit log refuses to go on, and no more than that (C10)."""

from pathlib import Path

import pytest

from quilate.kit.database.database import Database
from quilate.ops.audit_look import audit_look
from quilate.ops.health import Wellness
from tests.support.audit_log import Log


@pytest.mark.asyncio
async def test_a_log_that_does_not_go_on_is_a_warning(database: Database, tmp_path: Path) -> None:
    look, log = audit_look(database), Log(database, tmp_path)
    assert (await look()).wellness is Wellness.OK, "no log yet"
    await log.grow(5)
    assert (await look()).wellness is Wellness.OK
    await log.rewrite(lambda _, leaf: leaf.replace(b"PASS", b"FAIL"))
    await log.sequence()

    found = await look()
    assert found.wellness is Wellness.WARNING
    assert "does not go on" in found.detail
