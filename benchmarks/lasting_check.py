"""A check that is under way for long when it is begun for the first time, and answers at once when begun again.

It tells of each beginning in a ledger outside PostgreSQL: one line with the time of the machine's monotonic clock.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from quilate.checks.api import Context, Inputs, Isolation
from quilate.evidence.model import Evidence, number_fact
from trivial_check import TrivialInProcess

_LONG_SECONDS = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LastingParameters:
    """``ledger``: the directory that holds a file for each run's beginnings."""

    ledger: str


class Lasting(TrivialInProcess):
    """Would take ten minutes, if nothing ended it before."""

    type: ClassVar[str] = "LASTING"
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType({"severity_threshold": "low"})
    parameters: ClassVar[Any] = LastingParameters

    def inputs(self, parameters: Any, binding: Any) -> Inputs:
        """Return that nothing is taken from the result cache."""
        del parameters, binding
        return Inputs(cacheable=False)

    def run(self, context: Context) -> Evidence:
        """Tell of the beginning; last, the first time."""
        parameters: LastingParameters = context.parameters
        # The scratch directory's name begins with the run's id.
        path = Path(parameters.ledger) / context.scratch.name[:36]
        again = path.exists()
        with path.open("a", encoding="utf-8") as ledger:
            ledger.write(f"{time.monotonic()}\n")
        if not again:
            time.sleep(_LONG_SECONDS)
        return Evidence(summary="42", facts=(number_fact("answer", 42, unit="count"),))
