"""Check types that leave much behind, for tests of a full disk; loading this module makes them known."""

from typing import ClassVar

from quilate.checks.api import Context, Isolation
from quilate.checks.registry import register_check
from quilate.evidence.model import Evidence, number_fact
from tests.support.durable_checks import Work

_LONG = 256 << 10


class Long(Work):
    """Its evidence is too long for a column of the database."""

    type: ClassVar[str] = "TEST_LONG"
    isolation: ClassVar[Isolation] = Isolation.THREAD

    def run(self, context: Context) -> Evidence:
        """Leave a long note."""
        note = f"{context.check_id} " * (_LONG // 4)
        return Evidence(summary="42", facts=(number_fact("answer", 42, unit="count"),), notes=(note,))


class Kept(Work):
    """Leaves an artifact."""

    type: ClassVar[str] = "TEST_ARTIFACT"

    def run(self, context: Context) -> Evidence:
        """Leave bytes of its own."""
        content = f"{context.scratch.name} ".encode() * (_LONG // 32)
        artifact = context.artifact("report.txt", content, "text/plain")
        return Evidence(summary="42", facts=(number_fact("answer", 42, unit="count"),), artifacts=(artifact,))


for kind in (Long, Kept):
    register_check(kind.type, f"{__name__}:{kind.__name__}")
