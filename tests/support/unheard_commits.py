"""Transactions that count although nobody hears of it: the database's answer to COMMIT is lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from quilate.kit.database.database import Connection, Database

Work = Callable[[Connection], Awaitable[Any]]


def repeat_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have each pipelined transaction done again once it was committed, as it is after a lost answer."""
    run = Database.run_pipelined

    async def twice(self: Database, work: Work, **options: Any) -> Any:
        await run(self, work)
        return await run(self, work, **options)

    monkeypatch.setattr(Database, "run_pipelined", twice)
