"""Check types for tests of what surrounds checks."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, NoBinding, Queue
from quilate.evidence.model import Evidence, FactSpec


class AlwaysGreen:
    """A broken check: it finds nothing, whatever it is given."""

    type: ClassVar[str] = "ALWAYS_GREEN"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType({"severity_threshold": "low"})
    parameters: ClassVar = NoBinding
    binding: ClassVar = NoBinding

    def produces(self, parameters: Any) -> tuple[FactSpec, ...]:
        del parameters
        return ()

    def inputs(self, parameters: Any, binding: Any) -> Inputs:
        del parameters, binding
        return Inputs()

    def run(self, context: Context) -> Evidence:
        del context
        return Evidence(summary="nothing found")

    def canary(self, directory: Path) -> Canary:
        del directory
        return Canary(expected_rules=("QL-XXX-001",))
