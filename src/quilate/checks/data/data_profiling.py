"""What does a data file hold, and is it fit to train on?

Why: Missing values, repeated records, far-off values and personal data that nobody expected spoil a model or break a
law long before anybody looks; a profile of every column shows them without a contract.

Input: A data file (CSV, TSV, Parquet, JSON array, NDJSON). Columns of text are typed by what all their values are.

Facts: rows, columns, missing_ratio_max (of the column with the most), duplicate_rows and duplicate_row_ratio (rows
equal to an earlier one), constant_columns, outlier_ratio_max, personal_data_cells. Ratios are of one, not percent. An
outlier lies more than outlier_fence interquartile ranges outside the quartiles (3: Tukey's far out values); a column
whose quartiles are equal has none. The artifact profile.json holds counts, quantiles and frequent values by column,
without values for columns that are bound as sensitive or hold personal data.

Limits: max_missing_ratio and max_outlier_ratio for each column, max_duplicate_ratio for the file; pii is allowed, warn
(findings of severity low) or refused (severity high).

Findings: QL-DAT-201 too many missing values in a column, 202 too many duplicate rows, 203 too many outliers in a
column, 204 constant column (severity low), 210 personal data (CPF and CNPJ with check digits, the alphanumeric CNPJ
too, e-mail addresses, telephones, card numbers) with counts, never with a value.

Raises: The file is missing, empty, cut, ragged, or not in its encoding. A file without records is undecided.

Source: Tukey, Exploratory Data Analysis (1977), section 2D; for the documents see
quilate/checks/data/profiles/personal_data.py.
"""

import builtins
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.domain.errors import ToolMissingError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Evidence,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    number_fact,
)
from quilate.kit.canonical import decimal_text
from quilate.kit.words import counted, form

if TYPE_CHECKING:
    from quilate.checks.data.profiles.columns import ColumnProfile
    from quilate.checks.data.profiles.personal_data import PersonalData
    from quilate.checks.tables.model import Table

_FACTS = {
    "rows": ("count", "data records"),
    "columns": ("count", "columns of the file"),
    "missing_ratio_max": ("ratio", "missing values by rows, of the column with the most"),
    "duplicate_rows": ("count", "rows equal to an earlier one"),
    "duplicate_row_ratio": ("ratio", "rows equal to an earlier one by rows"),
    "constant_columns": ("count", "columns with one value throughout"),
    "outlier_ratio_max": ("ratio", "values beyond the fences by values, of the column with the most"),
    "personal_data_cells": ("count", "cells that hold personal data, by kind and column added up"),
}
_PLACES = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfilingParameters:
    """Limits; ratios are of one. ``outlier_fence`` is in interquartile ranges."""

    max_missing_ratio: Decimal
    max_duplicate_ratio: Decimal
    max_outlier_ratio: Decimal
    outlier_fence: Decimal
    pii: Literal["allowed", "warn", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataProfilingBinding:
    """Which file. Values of the columns in ``sensitive`` enter no artifact; the rest is as in ``DATA_SCHEMA``."""

    dataset: str
    sensitive: tuple[str, ...] = ()
    delimiter: str = ""
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)


class DataProfiling:
    """Profiles a data file and holds it against limits."""

    type: ClassVar[str] = "DATA_PROFILING"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.DATA
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "max_missing_ratio": "0.1",
        "max_duplicate_ratio": "0.01",
        "max_outlier_ratio": "0.05",
        "outlier_fence": "3",
        "pii": "warn",
    }
    parameters: ClassVar[builtins.type] = DataProfilingParameters
    binding: ClassVar[builtins.type] = DataProfilingBinding

    def produces(self, parameters: DataProfilingParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the same for all
        """Return the counts and ratios that it leaves."""
        return tuple(
            FactSpec(name=name, type=FactType.NUMBER, unit=unit, description=text)
            for name, (unit, text) in _FACTS.items()
        )

    def inputs(self, parameters: DataProfilingParameters, binding: DataProfilingBinding) -> Inputs:  # noqa: ARG002 - contract
        """Return the data file."""
        return Inputs(files=(binding.dataset,))

    def run(self, context: Context) -> Evidence:
        """Profile the file.

        Raises:
            EvidenceError: The file cannot be read.
        """
        try:
            from quilate.checks.tables.reader import read_table  # noqa: PLC0415 - loads Polars
        except ImportError as error:
            raise ToolMissingError("polars is not installed", next_step="pip install 'quilate[data]'") from error
        binding: DataProfilingBinding = context.binding
        table = read_table(
            context.workspace,
            binding.dataset,
            delimiter=binding.delimiter,
            encoding=binding.encoding,
            null_values=binding.null_values,
        )
        table.require_rectangular()
        table.require_columns(binding.sensitive, "sensitive")
        return _evidence(context, table)

    def canary(self, directory: Path) -> Canary:
        """Write a file in which most values of a column are missing."""
        rows = "".join(f"{number},{'' if number % 4 else number}\n" for number in range(40))
        (directory / "data.csv").write_text("id,income\n" + rows, encoding="utf-8")
        return Canary(expected_rules=("QL-DAT-201",), binding={"dataset": "data.csv"})


def _evidence(context: Context, table: "Table") -> Evidence:
    from quilate.checks.data.profiles.columns import duplicate_rows, profile_column  # noqa: PLC0415 - loads Polars
    from quilate.checks.data.profiles.personal_data import personal_data_in  # noqa: PLC0415 - loads Polars

    limits: DataProfilingParameters = context.parameters
    columns = tuple(profile_column(column, limits.outlier_fence) for column in table.frame)
    personal = tuple(found for column in table.frame for found in personal_data_in(column))
    duplicates = duplicate_rows(table)
    duplicate_ratio = Decimal(duplicates) / Decimal(table.rows or 1)
    findings = (
        *_column_findings(table, columns, limits),
        *_duplicate_findings(table, duplicates, duplicate_ratio, limits),
        *_personal_findings(table, personal, limits),
    )
    values = {
        "rows": Decimal(table.rows),
        "columns": Decimal(table.frame.width),
        "missing_ratio_max": max((column.missing_ratio for column in columns), default=Decimal(0)),
        "duplicate_rows": Decimal(duplicates),
        "duplicate_row_ratio": duplicate_ratio,
        "constant_columns": Decimal(sum(column.is_constant for column in columns)),
        "outlier_ratio_max": max((column.outlier_ratio for column in columns), default=Decimal(0)),
        "personal_data_cells": Decimal(sum(found.cells for found in personal)),
    }
    hidden = set(context.binding.sensitive) | {found.column for found in personal}
    document = {
        "rows": table.rows,
        "duplicate_rows": duplicates,
        "columns": [column.document(hide_values=column.name in hidden) for column in columns],
        "personal_data": [{"column": found.column, "kind": found.kind, "cells": found.cells} for found in personal],
    }
    content = json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False).encode("utf-8", "replace")
    return Evidence(
        summary=f"{table.rows:,} {form(table.rows, 'row')}, {counted(table.frame.width, 'column')}",
        facts=tuple(number_fact(name, value, unit=_FACTS[name][0]) for name, value in values.items()),
        findings=findings,
        undecided=() if table.rows else (_no_rows(table),),
        artifacts=(context.artifact("profile.json", content, "application/json"),),
    )


def _no_rows(table: "Table") -> Undecided:
    return Undecided(
        subject="rows", reason=f"{table.path} has no records to profile", next_step="bind a file with records"
    )


def _ratio(value: Decimal) -> str:
    return decimal_text(round(value, _PLACES))


def _finding(  # noqa: PLR0913 - one argument per part of a finding
    table: "Table",
    rule: str,
    severity: Severity,
    column: str | None,
    message: str,
    *,
    measured: str,
    limit: str,
    fix: str,
) -> Finding:
    return Finding(
        rule=RuleId(rule),
        kind=FindingKind.DATA,
        severity=severity,
        message=message,
        location=Location(path=table.path, field=column),
        measured=measured,
        limit=limit,
        fix=fix,
        context=rule,
    )


def _column_findings(
    table: "Table", columns: "tuple[ColumnProfile, ...]", limits: DataProfilingParameters
) -> Iterator[Finding]:
    for column in columns:
        if column.missing_ratio > limits.max_missing_ratio:
            yield _finding(
                table,
                "QL-DAT-201",
                Severity.MEDIUM,
                column.name,
                f"{column.name}: {column.missing:,} of {column.rows:,} values"
                f" {form(column.missing, 'is', 'are')} missing",
                measured=f"missing ratio {_ratio(column.missing_ratio)}",
                limit=f"at most {decimal_text(limits.max_missing_ratio)}",
                fix="Find out where the values are lost, drop the column, or raise max_missing_ratio.",
            )
        if column.outlier_ratio > limits.max_outlier_ratio:
            yield _finding(
                table,
                "QL-DAT-203",
                Severity.MEDIUM,
                column.name,
                f"{column.name}: {column.outliers:,} of {column.numbers:,} values"
                f" {form(column.outliers, 'lies', 'lie')} far outside the others",
                measured=f"outlier ratio {_ratio(column.outlier_ratio)}",
                limit=f"at most {decimal_text(limits.max_outlier_ratio)}",
                fix="Check units and entry errors, transform the column, or raise max_outlier_ratio.",
            )
        if column.is_constant:
            yield _finding(
                table,
                "QL-DAT-204",
                Severity.LOW,
                column.name,
                f"{column.name} has the same value in every row",
                measured="1 distinct value" if column.distinct else "no value at all",
                limit="at least 2 distinct values",
                fix="Drop the column, or find out why it does not vary.",
            )


def _duplicate_findings(
    table: "Table", duplicates: int, ratio: Decimal, limits: DataProfilingParameters
) -> Iterator[Finding]:
    if ratio > limits.max_duplicate_ratio:
        yield _finding(
            table,
            "QL-DAT-202",
            Severity.MEDIUM,
            None,
            f"{duplicates:,} of {table.rows:,} rows {form(duplicates, 'repeats', 'repeat')} an earlier row",
            measured=f"duplicate ratio {_ratio(ratio)}",
            limit=f"at most {decimal_text(limits.max_duplicate_ratio)}",
            fix="Remove the repeated rows, or raise max_duplicate_ratio.",
        )


def _personal_findings(
    table: "Table", personal: "tuple[PersonalData, ...]", limits: DataProfilingParameters
) -> Iterator[Finding]:
    if limits.pii == "allowed":
        return
    severity = Severity.HIGH if limits.pii == "refused" else Severity.LOW
    for found in personal:
        yield _finding(
            table,
            "QL-DAT-210",
            severity,
            found.column,
            f"{found.column}: {found.cells:,} cells hold a {found.kind}".replace("a e-", "an e-"),
            measured=f"{found.cells} cells with a {found.kind}".replace("a e-", "an e-"),
            limit="no personal data" if limits.pii == "refused" else "personal data is pointed out",
            fix="Remove, mask or pseudonymise the column, or set pii to allowed if it has a legal basis.",
        )
