"""A check that does nothing but leave one fact: what remains is the cost of the gate itself."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, NoBinding, Queue
from quilate.evidence.model import Evidence, FactSpec, FactType, number_fact


class TrivialInProcess:
    """Answers at once, in a child of its own."""

    type: ClassVar[str] = "TRIVIAL_PROCESS"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType({"severity_threshold": "low"})
    parameters: ClassVar[Any] = NoBinding
    binding: ClassVar[Any] = NoBinding

    def produces(self, parameters: Any) -> tuple[FactSpec, ...]:
        """Return its one fact."""
        del parameters
        return (FactSpec(name="answer", type=FactType.NUMBER, unit="count"),)

    def inputs(self, parameters: Any, binding: Any) -> Inputs:
        """Return the whole workspace, as most checks do."""
        del parameters, binding
        return Inputs()

    def run(self, context: Context) -> Evidence:
        """Leave the fact."""
        del context
        return Evidence(summary="42", facts=(number_fact("answer", 42, unit="count"),))

    def canary(self, directory: Path) -> Canary:
        """Have none: this check exists for benchmarks only."""
        raise LookupError(directory)


class TrivialInThread(TrivialInProcess):
    """Answers at once, in a thread."""

    type: ClassVar[str] = "TRIVIAL_THREAD"
    isolation: ClassVar[Isolation] = Isolation.THREAD
