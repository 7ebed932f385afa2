"""Predictions as read from a file: labels, numbers and scores, each bad cell named."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from quilate.checks.tables.model import Table
from quilate.checks.tables.values import BOOLEAN, NUMBER, LogicalType, canonical
from quilate.domain.errors import EvidenceError

Numbers = np.ndarray[tuple[int], np.dtype[np.float64]]
Codes = np.ndarray[tuple[int], np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """Labels as codes into their sorted names, the same for truth and prediction."""

    names: tuple[str, ...]
    truth: Codes
    predicted: Codes


def labels(table: Table, column: str) -> pl.Series:
    """Return a column's labels, one spelling per value: ``1`` and ``1.0`` are one label, ``True`` and ``true`` too.

    Raises:
        EvidenceError: A label is missing; names record and line.
    """
    text = table.frame[column]
    _refuse(table, column, text.is_null(), "is missing")
    return _one_spelling(text)


def numbers(table: Table, column: str) -> Numbers:
    """Return a column as finite numbers.

    Raises:
        EvidenceError: A value is missing or no finite number; names record and line.
    """
    text = table.frame[column]
    _refuse(table, column, text.is_null(), "is missing")
    _refuse(table, column, ~text.str.contains(NUMBER), "is no number")
    values = text.cast(pl.Float64, strict=False)
    _refuse(table, column, ~values.is_finite(), "is not finite")
    return values.to_numpy().astype(np.float64)


def refuse_beyond_unit(table: Table, column: str, why: str) -> None:
    """Refuse scores that are no probabilities.

    Raises:
        EvidenceError: A score lies outside zero and one; names record and line.
    """
    values = table.frame[column].cast(pl.Float64, strict=False)
    _refuse(table, column, ~values.is_between(0.0, 1.0), f"lies outside [0, 1], and {why} needs probabilities")


def is_continuous(text: pl.Series, most_classes: int) -> bool:
    """Return whether the values are those of a regression: numbers with fractions, or more than ``most_classes``."""
    present = text.drop_nulls()
    if present.is_empty() or not present.str.contains(NUMBER).all():
        return False
    values = present.cast(pl.Float64, strict=False)
    return bool((values != values.floor()).any()) or values.n_unique() > most_classes


def encoded(truth: pl.Series, predicted: pl.Series) -> Labels:
    """Return both as codes."""
    names = sorted(set(truth.unique().to_list()) | set(predicted.unique().to_list()))
    code = {name: number for number, name in enumerate(names)}
    return Labels(
        names=tuple(names),
        truth=truth.replace_strict(code, return_dtype=pl.Int64).to_numpy(),
        predicted=predicted.replace_strict(code, return_dtype=pl.Int64).to_numpy(),
    )


def canonical_label(label: str) -> str:
    """Return a single label in the one spelling of ``labels``."""
    return str(_one_spelling(pl.Series([label], dtype=pl.String)).item())


def _one_spelling(text: pl.Series) -> pl.Series:
    label = pl.col("label")
    number = pl.when(label.str.contains(NUMBER)).then(canonical(label, LogicalType.NUMBER, ""))
    spelt = number.when(label.str.contains(BOOLEAN)).then(label.str.to_lowercase()).otherwise(label)
    return text.alias("label").to_frame().select(spelt.alias("label")).to_series()


def _refuse(table: Table, column: str, wrong: pl.Series, what: str) -> None:
    wrong = wrong.fill_null(value=False)
    count = int(wrong.sum())
    if count:
        row = int(wrong.arg_true()[0])
        line = table.line_of(row)
        place = f"{table.path}:{line}" if line is not None else table.path
        more = f" ({count:,} such records)" if count > 1 else ""
        raise EvidenceError(
            f"{place}: {column} of record {int(table.records[row])} {what}{more}",
            next_step="mend the predictions file; a record that cannot be judged is not left out silently",
        )
