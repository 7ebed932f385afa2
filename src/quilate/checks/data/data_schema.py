"""Does a data file keep its contract?

Why: Data that breaks what its consumers rely on is cheapest to stop before anything is trained on it. The contract is
a YAML file in the shape of the Open Data Contract Standard (ODCS) 3.x; docs/data-contracts.md lists what of it is
judged.

Input: A data file (CSV, TSV, Parquet, JSON array, NDJSON) and its contract. Every cell of a text format is read as
text and parsed strictly, nothing is guessed. A pattern must match the whole value; a missing value breaks only the
demand for a value; NaN lies in no range; lengths count code points; missing values are equal in keys.

Facts: rows, columns, violations (cells, rows and columns that break a demand), missing_cells, duplicate_rows (rows
whose key came before), rows_in_duplicate_groups, ragged_rows, rules (demands judged), rules_undecided (demands that
cannot be judged on a file): all counts, all exact however few examples are shown.

Limits: The contract holds them. max_examples bounds the findings per rule and column, the last one says how many more
there are; additional_columns says what to do with columns that the contract does not describe, where it is silent.

Findings: QL-DAT-101 missing value, 102 wrong type, 103 duplicate key, 104 out of range, 105 outside the allowed
values, 106 pattern, 107 length, 108 missing column, 109 unexpected column, 110 row count, 111 ragged row. Each names
the data record (from one, without the header), the file line where there are lines, the column and the value; values
of properties that are classified confidential or restricted, or tagged pii, are not shown.

Raises: The file is missing, empty, cut, not in its encoding or no file of its format; the contract is wrong (with line
and nearest valid key). A demand that cannot be judged (a query, a rule of another engine) leaves the answer open.

Source: https://bitol-io.github.io/open-data-contract-standard/ (version 3.1); ISO 8601; RFC 4180; RFC 8259.
"""

import builtins
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.domain.errors import ToolMissingError
from quilate.evidence.model import Evidence, FactSpec, FactType, Undecided, number_fact
from quilate.kit.words import counted, form

if TYPE_CHECKING:
    from quilate.checks.data.contracts.model import Contract
    from quilate.checks.tables.model import Table

CONTRACT_BYTES = 1 << 20
"""A contract beyond 1 MiB is not a contract."""

_FACTS = {
    "rows": "data records, ragged ones included",
    "columns": "columns of the file",
    "violations": "cells, rows and columns that break a demand",
    "missing_cells": "missing values in columns of the contract",
    "duplicate_rows": "rows whose key came before",
    "rows_in_duplicate_groups": "rows whose key is there more than once",
    "ragged_rows": "records with another number of fields than the header",
    "rules": "demands that were judged",
    "rules_undecided": "demands that cannot be judged on a file",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSchemaParameters:
    """``max_examples``: findings per rule and column; ``additional_columns``: where the contract does not say."""

    max_examples: int
    additional_columns: Literal["allowed", "refused"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSchemaBinding:
    """Which file, which contract.

    Attributes:
        dataset: Workspace path of the data file.
        contract: Workspace path of the contract.
        object: Which object of the contract's schema, where it has several.
        delimiter: Of CSV; empty for a comma (``.csv``) or tabulator (``.tsv``).
        encoding: Of CSV.
        null_values: Spellings of a missing value in CSV.
    """

    dataset: str
    contract: str
    object: str = ""
    delimiter: str = ""
    encoding: str = "utf-8"
    null_values: tuple[str, ...] = ("",)


class DataSchema:
    """Judges a data file by its contract."""

    type: ClassVar[str] = "DATA_SCHEMA"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.DATA
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "max_examples": 20,
        "additional_columns": "allowed",
    }
    parameters: ClassVar[builtins.type] = DataSchemaParameters
    binding: ClassVar[builtins.type] = DataSchemaBinding

    def produces(self, parameters: DataSchemaParameters) -> tuple[FactSpec, ...]:  # noqa: ARG002 - the same for all
        """Return the counts that it leaves."""
        return tuple(
            FactSpec(name=name, type=FactType.NUMBER, unit="count", description=text) for name, text in _FACTS.items()
        )

    def inputs(self, parameters: DataSchemaParameters, binding: DataSchemaBinding) -> Inputs:  # noqa: ARG002 - contract
        """Return the data file and the contract."""
        return Inputs(files=(binding.dataset, binding.contract))

    def run(self, context: Context) -> Evidence:
        """Judge the file.

        Raises:
            EvidenceError: The file or the contract cannot be read.
        """
        try:
            from quilate.checks.data.contracts.parser import read_contract  # noqa: PLC0415 - loads Polars
            from quilate.checks.tables.reader import read_table  # noqa: PLC0415 - loads Polars
        except ImportError as error:
            raise ToolMissingError("polars is not installed", next_step="pip install 'quilate[data]'") from error
        binding: DataSchemaBinding = context.binding
        content = context.workspace.read_bytes(binding.contract, limit=CONTRACT_BYTES)
        contract = read_contract(binding.contract, content, binding.object)
        table = read_table(
            context.workspace,
            binding.dataset,
            delimiter=binding.delimiter,
            encoding=binding.encoding,
            null_values=binding.null_values,
        )
        return _evidence(table, contract, context.parameters)

    def canary(self, directory: Path) -> Canary:
        """Write a file with a text where the contract wants an integer."""
        (directory / "data.csv").write_text("id,amount\n1,10\n2,ten\n", encoding="utf-8")
        (directory / "contract.yaml").write_text(_CANARY_CONTRACT, encoding="utf-8")
        return Canary(expected_rules=("QL-DAT-102",), binding={"dataset": "data.csv", "contract": "contract.yaml"})


def _evidence(table: "Table", contract: "Contract", parameters: DataSchemaParameters) -> Evidence:
    from quilate.checks.data.contracts import findings as found  # noqa: PLC0415 - loads Polars
    from quilate.checks.data.contracts.judgement import judge  # noqa: PLC0415 - loads Polars

    judgement = judge(table, contract, parameters.max_examples)
    refused = contract.additional_columns_refused
    refuse_additional = parameters.additional_columns == "refused" if refused is None else refused
    additional = found.additional_columns(table, contract)
    findings = found.contract_findings(
        table, contract, judgement, max_examples=parameters.max_examples, refuse_additional=refuse_additional
    )
    at_columns = sum(
        finding.rule in {found.MISSING_COLUMN, found.UNEXPECTED_COLUMN, found.ROW_COUNT} for finding in findings
    )
    violations = at_columns + len(table.ragged) + sum(breach.count for breach in judgement.breaches)
    rules = judgement.demands + len(contract.properties) + len(contract.quality)
    undecided = _undecided(table, contract)
    values = {
        "rows": table.rows,
        "columns": table.frame.width,
        "violations": violations,
        "missing_cells": judgement.missing_cells,
        "duplicate_rows": judgement.duplicate_rows,
        "rows_in_duplicate_groups": judgement.rows_in_duplicate_groups,
        "ragged_rows": len(table.ragged),
        "rules": rules,
        "rules_undecided": len(contract.not_evaluated),
    }
    broken = f", {violations:,} {form(violations, 'violation')}" if violations else ""
    return Evidence(
        summary=f"{counted(rules, 'rule')}, {table.rows:,} {form(table.rows, 'row')}{broken}",
        facts=tuple(number_fact(name, value, unit="count") for name, value in values.items()),
        findings=findings,
        undecided=undecided,
        notes=_notes(table, additional if not refuse_additional else ()),
    )


def _undecided(table: "Table", contract: "Contract") -> tuple[Undecided, ...]:
    demands = [
        Undecided(
            subject=demand.subject,
            reason=f"{demand.reason} ({demand.position})",
            next_step="judge it with a check of its own, or say it in a form that this check judges",
        )
        for demand in contract.not_evaluated
    ]
    counted = any(rule.metric == "rowCount" for rule in contract.quality)
    if table.rows == 0 and not counted:
        demands.append(
            Undecided(
                subject="rows",
                reason=f"{table.path} has no records, so that no value could be judged",
                next_step="bind a file with records, or bound rowCount in the contract",
            )
        )
    return tuple(demands)


def _notes(table: "Table", allowed: tuple[str, ...]) -> tuple[str, ...]:
    notes = []
    if allowed:
        notes.append(f"{len(allowed)} additional columns are allowed: {', '.join(allowed[:10])}")
    if table.blank_lines:
        notes.append(f"{table.blank_lines} blank lines are no records")
    return tuple(notes)


_CANARY_CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: canary
version: 1.0.0
schema:
  - name: payments
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: amount, logicalType: integer, required: true}
"""
