"""What a machine's memory says about a call, even where the script was stopped in the middle of it."""

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quilate.sandbox.strict.machine import Machine

CONSOLE_BYTES = 256 << 10
"""Most console text of a call, whatever its limits say."""
_WORDS = struct.Struct("<8i")


class Phase(IntEnum):
    """How far a call came."""

    LOADING = 0
    READING = 1
    RUNNING = 2
    ANSWERING = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """The eight words and the console text that ``prelude.js`` writes.

    Attributes:
        phase: What was being done last.
        record: Index of the record that was read last, in a run that watches.
        line: Of an NDJSON input that was being read; 0 outside.
        console: Lines written.
        console_truncated: Some were lost.
    """

    phase: Phase
    record: int | None
    line: int
    console: tuple[str, ...]
    console_truncated: bool

    @classmethod
    def read(cls, machine: "Machine", address: int) -> "Report":
        """Reads it; what a broken machine's memory says is bounded but may be nonsense."""
        words = machine.read(address, _WORDS.size)
        phase, record, length, cut, _, line, _, _ = _WORDS.unpack(words.ljust(_WORDS.size, b"\0"))
        text = machine.read(address + _WORDS.size, min(max(length, 0), CONSOLE_BYTES))
        lines = text.split(b"\0")
        return cls(
            phase=Phase(phase) if phase in {0, 1, 2, 3} else Phase.LOADING,
            record=record - 1 if record > 0 else None,
            line=max(line, 0),
            console=tuple(item.decode("utf-8", "replace") for item in (lines[:-1] if not lines[-1] else lines)),
            console_truncated=bool(cut),
        )
