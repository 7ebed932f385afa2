"""Statistics of a table's columns."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import polars as pl

from quilate.checks.tables.model import Table
from quilate.checks.tables.values import BOOLEAN, DATE, INTEGER, NUMBER

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99)
TOP_VALUES = 10
MAX_CATEGORIES = 50
"""Values are listed only for columns with at most so many distinct ones: more is likely free text or a name."""

_TYPES = (("integer", INTEGER), ("number", NUMBER), ("boolean", BOOLEAN), ("date", DATE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnProfile:
    """What a column holds.

    ``outliers`` are finite values beyond the fences of Tukey, ``fence`` interquartile ranges outside the quartiles,
    of ``numbers`` finite values; a column whose quartiles are equal has no fences and no outliers.
    """

    name: str
    inferred_type: str
    rows: int
    missing: int
    distinct: int
    numbers: int
    outliers: int
    statistics: dict[str, float | None]
    top_values: tuple[tuple[str, int], ...]

    @property
    def missing_ratio(self) -> Decimal:
        """Missing values by rows."""
        return Decimal(self.missing) / Decimal(self.rows or 1)

    @property
    def outlier_ratio(self) -> Decimal:
        """Outliers by finite numbers."""
        return Decimal(self.outliers) / Decimal(self.numbers or 1)

    @property
    def is_constant(self) -> bool:
        """All values are the same, or all are missing, in more than one row."""
        return self.rows > 1 and (self.missing == self.rows or (self.distinct == 1 and self.missing == 0))

    def document(self, *, hide_values: bool) -> dict[str, Any]:
        """Return the profile as plain data; without any value of the column where ``hide_values``."""
        plain: dict[str, Any] = {
            "name": self.name,
            "type": self.inferred_type,
            "missing": self.missing,
            "missing_ratio": str(round(self.missing_ratio, 6)),
            "distinct": self.distinct,
            "constant": self.is_constant,
            "outliers": self.outliers,
        }
        if hide_values:
            return plain | {"values": "not shown"}
        top = [{"value": value, "count": count} for value, count in self.top_values]
        return plain | {"statistics": self.statistics, "top_values": top}


def profile_column(column: pl.Series, fence: Decimal) -> ColumnProfile:
    """Return the profile of a text column."""
    present = column.drop_nulls()
    inferred = _inferred_type(present)
    distinct = present.n_unique() if len(present) else 0
    numbers = pl.Series(dtype=pl.Float64)
    if inferred in {"integer", "number"}:
        values = present.cast(pl.Float64, strict=False)
        numbers = values.filter(values.is_finite())
    return ColumnProfile(
        name=column.name,
        inferred_type=inferred,
        rows=len(column),
        missing=column.null_count(),
        distinct=distinct,
        numbers=len(numbers),
        outliers=_outliers(numbers, float(fence)),
        statistics=_statistics(numbers),
        top_values=_top(present) if 0 < distinct <= MAX_CATEGORIES else (),
    )


def duplicate_rows(table: Table) -> int:
    """Return how many rows are equal to an earlier one in every column."""
    if table.frame.height == 0:
        return 0
    return table.frame.height - table.frame.n_unique()


def _inferred_type(present: pl.Series) -> str:
    if present.is_empty():
        return "empty"
    return next((name for name, pattern in _TYPES if present.str.contains(pattern).all()), "string")


def _quantile(numbers: pl.Series, at: float) -> float:
    value = numbers.quantile(at, interpolation="linear")
    return float(value) if value is not None else float("nan")


def _outliers(numbers: pl.Series, fence: float) -> int:
    if numbers.is_empty():
        return 0
    low, high = _quantile(numbers, 0.25), _quantile(numbers, 0.75)
    reach = fence * (high - low)
    if reach == 0:
        return 0
    return int(((numbers < low - reach) | (numbers > high + reach)).sum())


def _statistics(numbers: pl.Series) -> dict[str, float | None]:
    if numbers.is_empty():
        return {}
    summary = numbers.to_frame("x").select(
        pl.col("x").min().alias("min"),
        pl.col("x").max().alias("max"),
        pl.col("x").mean().alias("mean"),
        pl.col("x").std().alias("std"),
    )
    quantiles = {f"q{round(at * 100):02d}": _quantile(numbers, at) for at in QUANTILES}
    return {**summary.row(0, named=True), **quantiles}


def _top(present: pl.Series) -> tuple[tuple[str, int], ...]:
    counted = present.alias("value").value_counts(name="cells").sort(["cells", "value"], descending=[True, False])
    return tuple((str(value)[:80], int(cells)) for value, cells in counted.head(TOP_VALUES).iter_rows())
