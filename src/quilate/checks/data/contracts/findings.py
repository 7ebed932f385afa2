"""Turn breaches of a contract into findings that name record, line, column and value."""

import json
from collections.abc import Iterator

from quilate.checks.data.contracts.judgement import DUPLICATE, Breach, Judgement
from quilate.checks.data.contracts.model import Contract, Metric, Property
from quilate.checks.tables.model import Table
from quilate.domain.ids import RuleId
from quilate.domain.nearest import nearest_hint
from quilate.domain.severity import Severity
from quilate.evidence.model import Finding, FindingKind, Location
from quilate.kit.words import form

MISSING_COLUMN = "QL-DAT-108"
UNEXPECTED_COLUMN = "QL-DAT-109"
ROW_COUNT = "QL-DAT-110"
RAGGED_ROW = "QL-DAT-111"

MAX_VALUE_CHARACTERS = 80
HIDDEN = "(value not shown)"

_FIXES = {
    "QL-DAT-101": "Fill in the value, or let the contract allow it to be missing.",
    "QL-DAT-102": "Mend the value or the type in the contract.",
    "QL-DAT-103": "Remove the repeated record, or widen the key in the contract.",
    "QL-DAT-104": "Mend the value or the range in the contract.",
    "QL-DAT-105": "Mend the value, or add it to the allowed values in the contract.",
    "QL-DAT-106": "Mend the value or the pattern in the contract.",
    "QL-DAT-107": "Mend the value or the length in the contract.",
}


def contract_findings(
    table: Table, contract: Contract, judgement: Judgement, *, max_examples: int, refuse_additional: bool
) -> tuple[Finding, ...]:
    """Return one finding per example record of each breach, and those about columns, rows and fields."""
    return (
        *_column_findings(table, contract, refuse_additional=refuse_additional),
        *_row_count_findings(table, contract),
        *_ragged_findings(table, max_examples),
        *(finding for breach in judgement.breaches for finding in _breach_findings(table, breach)),
    )


def missing_columns(table: Table, contract: Contract) -> tuple[Property, ...]:
    """Return the properties without a column; JSON records may leave out a key that is not required."""
    is_json = bool(table.kinds) and table.lines is not None
    return tuple(
        member
        for member in contract.properties
        if member.column not in table.frame.columns
        and (not is_json or member.required or member.key_position is not None)
    )


def additional_columns(table: Table, contract: Contract) -> tuple[str, ...]:
    """Return the columns that the contract does not describe."""
    described = {member.column for member in contract.properties}
    return tuple(name for name in table.frame.columns if name not in described)


def shown(value: str | None, member: Property) -> str:
    """Return a value for people: quoted, cut, and hidden where the property is sensitive."""
    if value is None:
        return "(missing)"
    if member.sensitive:
        return HIDDEN
    cut = value if len(value) <= MAX_VALUE_CHARACTERS else value[:MAX_VALUE_CHARACTERS] + "…"
    return json.dumps(cut, ensure_ascii=False)


def _finding(  # noqa: PLR0913 - one argument per part of a finding
    rule: str,
    severity: Severity,
    message: str,
    location: Location,
    *,
    measured: str,
    limit: str,
    fix: str,
    context: str,
) -> Finding:
    return Finding(
        rule=RuleId(rule),
        kind=FindingKind.DATA,
        severity=severity,
        message=message,
        location=location,
        measured=measured,
        limit=limit,
        fix=fix,
        context=context,
    )


def _column_findings(table: Table, contract: Contract, *, refuse_additional: bool) -> Iterator[Finding]:
    extra = additional_columns(table, contract)
    for member in missing_columns(table, contract):
        yield _finding(
            MISSING_COLUMN,
            Severity.HIGH,
            f"the column {member.column!r} is missing{nearest_hint(member.column, extra)}",
            Location(path=table.path, line=1 if table.lines is not None else None, field=member.column),
            measured="no such column",
            limit="a column",
            fix="Add the column, or take the property out of the contract.",
            context="missing column",
        )
    for name in extra if refuse_additional else ():
        yield _finding(
            UNEXPECTED_COLUMN,
            Severity.MEDIUM,
            f"the contract has no column {name[:MAX_VALUE_CHARACTERS]!r}",
            Location(path=table.path, line=1 if table.lines is not None else None, field=name),
            measured="an additional column",
            limit="only columns of the contract",
            fix="Take the column out, describe it in the contract, or set additionalColumns to allowed.",
            context="unexpected column",
        )


def _row_count_findings(table: Table, contract: Contract) -> Iterator[Finding]:
    for rule in contract.quality:
        if rule.metric is Metric.ROW_COUNT and not rule.accepts(table.rows, table.rows):
            yield _finding(
                ROW_COUNT,
                rule.severity,
                f"the file has {table.rows:,} records",
                Location(path=table.path),
                measured=f"{table.rows} records",
                limit=f"{rule.limit} records",
                fix="Find out what was lost or added, or mend the bounds in the contract.",
                context=f"row count {rule.limit}",
            )


def _ragged_findings(table: Table, max_examples: int) -> Iterator[Finding]:
    examples = table.ragged[:max_examples]
    for row in examples:
        yield _finding(
            RAGGED_ROW,
            Severity.HIGH,
            f"record {row.record} has {row.fields} fields" + _more(row is examples[-1], len(table.ragged), examples),
            Location(path=table.path, line=row.line, record=row.record),
            measured=f"{row.fields} fields",
            limit=f"{table.frame.width} fields, as in the header",
            fix="Mend the row; a field with the delimiter in it needs quotes.",
            context="",
        )


def _more(is_last: bool, count: int, examples: tuple[object, ...]) -> str:  # noqa: FBT001 - the place in the list
    more = count - len(examples)
    return f"; and {more:,} more" if is_last and more > 0 else ""


def _breach_findings(table: Table, breach: Breach) -> Iterator[Finding]:
    names = ", ".join(member.column for member in breach.properties)
    if not breach.rows or breach.summarised:
        yield _summary_finding(table, breach, names)
        return
    for at, row in enumerate(breach.rows):
        value = ", ".join(shown(table.frame[member.column][row], member) for member in breach.properties)
        record, line = int(table.records[row]), table.line_of(row)
        what = f": {value} {breach.what}" if breach.rule != "QL-DAT-101" else f" {breach.what}"
        if breach.rule == DUPLICATE:
            what += f" of record {int(table.records[breach.first_rows[at]])}"
        more = _more(at == len(breach.rows) - 1, breach.count, breach.rows)
        yield _finding(
            breach.rule,
            breach.severity,
            f"{names} of record {record}{what}{more}",
            Location(path=table.path, line=line, record=record, field=names),
            measured=value,
            limit=breach.limit,
            fix=_FIXES[breach.rule],
            context="" if line is not None else f"record {record}",
        )


def _summary_finding(table: Table, breach: Breach, names: str) -> Finding:
    row = breach.rows[0] if breach.rows else None
    first = f", first in record {int(table.records[row])}" if row is not None else ""
    return _finding(
        breach.rule,
        breach.severity,
        f"{names}: {breach.count:,} of {table.rows:,} {form(table.rows, 'value')}: {breach.what}{first}",
        Location(
            path=table.path,
            line=None if row is None else table.line_of(row),
            record=None if row is None else int(table.records[row]),
            field=names,
        ),
        measured=f"{breach.count} of {table.rows}",
        limit=breach.limit,
        fix=_FIXES[breach.rule],
        context=f"{breach.what} {breach.limit}",
    )
