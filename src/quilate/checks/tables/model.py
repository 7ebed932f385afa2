"""A table as read from a file."""

from dataclasses import dataclass, field
from enum import IntEnum

import polars as pl

from quilate.domain.errors import EvidenceError


class ValueKind(IntEnum):
    """What a typed format says about a value; text formats (CSV) say nothing."""

    NULL = 0
    STRING = 1
    NUMBER = 2
    BOOLEAN = 3
    DATE = 4
    TIMESTAMP = 5
    NESTED = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class RaggedRow:
    """A record with another number of fields than the header."""

    record: int
    line: int
    fields: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """All records of a file, each cell as text.

    Attributes:
        path: Workspace path of the file.
        frame: One text column per column of the file; missing values are null. Ragged rows are not in it.
        records: Number of each row's data record, counted from one without the header (UInt32).
        lines: File line on which each record starts, or ``None`` where the format has no lines (UInt32).
        kinds: ``ValueKind`` of each cell (UInt8) by column; empty for formats without types.
        ragged: The rows that do not fit the header.
        blank_lines: Lines without anything, which are no records.
    """

    path: str
    frame: pl.DataFrame
    records: pl.Series
    lines: pl.Series | None
    kinds: dict[str, pl.Series] = field(default_factory=dict)
    ragged: tuple[RaggedRow, ...] = ()
    blank_lines: int = 0

    @property
    def rows(self) -> int:
        """All data records, ragged ones included."""
        return self.frame.height + len(self.ragged)

    def line_of(self, index: int) -> int | None:
        """Return the file line of the row at ``index`` (from zero)."""
        return None if self.lines is None else int(self.lines[index])

    def require_rectangular(self) -> None:
        """Refuse a file in which a row has too many or too few fields.

        Raises:
            EvidenceError: Names the first such row.
        """
        if self.ragged:
            first = self.ragged[0]
            raise EvidenceError(
                f"{self.path}:{first.line}: record {first.record} has {first.fields} fields, the header has "
                f"{self.frame.width}",
                next_step="mend the row; a field with the delimiter in it needs quotes",
            )

    def require_columns(self, names: tuple[str, ...], nearest_to: str) -> None:
        """Refuse a file without one of the columns.

        Raises:
            EvidenceError: Names the missing column and the nearest one.
        """
        from quilate.domain.nearest import nearest_hint  # noqa: PLC0415 - only an error message needs it

        for name in names:
            if name not in self.frame.columns:
                raise EvidenceError(
                    f"{self.path} has no column {name!r}{nearest_hint(name, self.frame.columns)}",
                    next_step=f"bind `{nearest_to}` to one of {', '.join(self.frame.columns[:20])}",
                )
