"""The demands of a contract on one column, each as an expression that is true where a cell breaks it."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import polars as pl
from polars import DataFrame, Expr, Series

from quilate.checks.data.contracts.model import Metric, Property, QualityRule, RangeLimit
from quilate.checks.tables.model import Table, ValueKind
from quilate.checks.tables.values import (
    STRING_FORMATS,
    LogicalType,
    anchored,
    beyond,
    canonical,
    canonical_text,
    instant,
    is_of_type,
)
from quilate.domain.severity import Severity
from quilate.kit.canonical import decimal_text
from quilate.kit.words import counted

MISSING = "QL-DAT-101"
WRONG_TYPE = "QL-DAT-102"
OUT_OF_RANGE = "QL-DAT-104"
OUTSIDE_ENUM = "QL-DAT-105"
PATTERN = "QL-DAT-106"
LENGTH = "QL-DAT-107"

_SHOWN_VALUES = 12
_VALUE = pl.col("value")
_KIND = pl.col("kind")
_TYPED_INTEGER = r"\A[+-]?[0-9]+(?:\.0*)?\z"
_KINDS = {
    LogicalType.STRING: (ValueKind.STRING, ValueKind.NESTED),
    LogicalType.INTEGER: (ValueKind.NUMBER,),
    LogicalType.NUMBER: (ValueKind.NUMBER,),
    LogicalType.BOOLEAN: (ValueKind.BOOLEAN,),
    LogicalType.DATE: (ValueKind.STRING, ValueKind.DATE),
    LogicalType.TIMESTAMP: (ValueKind.STRING, ValueKind.TIMESTAMP),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One demand on one column. ``quality`` is set where a rule of the contract says how many may break it."""

    rule: str
    member: Property
    broken: Expr
    what: str
    limit: str
    quality: QualityRule | None = None
    max_ratio: Decimal | None = None

    def tolerated(self, count: int, rows: int) -> bool:
        """Return whether so many breaking cells are allowed."""
        if self.max_ratio is not None:
            return Decimal(count) <= self.max_ratio * rows
        return self.quality.accepts(count, rows) if self.quality else count == 0

    @property
    def summarised(self) -> bool:
        """Some are tolerated, so that no single cell is at fault."""
        return self.max_ratio is not None or (self.quality is not None and not self.quality.tolerates_none)

    @property
    def severity(self) -> Severity:
        """How bad a breach is; high unless the contract says otherwise."""
        return self.quality.severity if self.quality else Severity.HIGH


def single(table: Table, member: Property) -> DataFrame:
    """Return the frame that the expressions of ``demands_of`` are for."""
    text = table.frame[member.column]
    kind = table.kinds.get(member.column, Series(dtype=pl.UInt8))
    columns = [text.alias("value")] + ([kind.alias("kind")] if len(kind) else [])
    return DataFrame(columns)


def demands_of(table: Table, member: Property) -> tuple[Demand, ...]:
    """Return all demands on a column but those on its uniqueness."""
    return tuple(_demands(table, member))


def _demands(table: Table, member: Property) -> Iterator[Demand]:
    if member.required or member.key_position is not None:
        yield Demand(rule=MISSING, member=member, broken=_VALUE.is_null(), what="is missing", limit="a value")
    if member.max_missing_ratio is not None:
        limit = f"a missing ratio of at most {decimal_text(member.max_missing_ratio)}"
        broken, ratio = _VALUE.is_null(), member.max_missing_ratio
        yield Demand(rule=MISSING, member=member, broken=broken, what="is missing", limit=limit, max_ratio=ratio)
    date_format = _date_format(table, member)
    fits: Expr = pl.lit(value=True)
    if member.logical_type is not None:
        fits = _fits(table, member, member.logical_type, date_format)
        words = f"{member.logical_type}" + (f" as {member.written_format}" if date_format else "")
        yield Demand(rule=WRONG_TYPE, member=member, broken=~fits, what=f"is no {words}", limit=words)
    for limit_ in member.limits:
        broken = fits & _beyond(member, limit_, date_format)
        yield Demand(rule=OUT_OF_RANGE, member=member, broken=broken, what="is out of range", limit=str(limit_))
    yield from _text_demands(member, fits)
    if member.enum is not None:
        broken = fits & ~_is_one_of(member, member.enum)
        yield Demand(rule=OUTSIDE_ENUM, member=member, broken=broken, what="is not allowed", limit=_list(member.enum))
    for rule in member.quality:
        if rule.metric is not Metric.DUPLICATE_VALUES:
            yield _quality_demand(member, rule, fits)


def _date_format(table: Table, member: Property) -> str:
    """Return the format of the column's texts; dates of typed formats are ISO 8601 whatever the contract says."""
    kinds = table.kinds.get(member.column)
    typed = kinds is not None and kinds.is_in([int(ValueKind.DATE), int(ValueKind.TIMESTAMP)]).any()
    return "" if typed else member.date_format


def _fits(table: Table, member: Property, logical_type: LogicalType, date_format: str) -> Expr:
    if member.column not in table.kinds:
        return is_of_type(_VALUE, logical_type, date_format)
    allowed = [int(kind) for kind in _KINDS[logical_type]]
    spelt = (
        _VALUE.str.contains(_TYPED_INTEGER)
        if logical_type is LogicalType.INTEGER
        else is_of_type(_VALUE, logical_type, date_format)
    )
    return pl.when(_VALUE.is_not_null()).then(_KIND.is_in(allowed) & spelt)


def _beyond(member: Property, limit: RangeLimit, date_format: str) -> Expr:
    if member.logical_type in {LogicalType.DATE, LogicalType.TIMESTAMP}:
        moment, bound = instant(_VALUE, member.logical_type, date_format), int(limit.number)
        if limit.below:
            return moment <= bound if limit.exclusive else moment < bound
        return moment >= bound if limit.exclusive else moment > bound
    return beyond(_VALUE, limit.number, below=limit.below, exclusive=limit.exclusive)


def _text_demands(member: Property, fits: Expr) -> Iterator[Demand]:
    if member.pattern:
        broken = fits & ~_VALUE.str.contains(anchored(member.pattern))
        what = "does not match the pattern"
        yield Demand(rule=PATTERN, member=member, broken=broken, what=what, limit=member.pattern)
    if member.string_format:
        name = member.string_format
        broken = fits & ~_VALUE.str.contains(anchored(STRING_FORMATS[name]))
        yield Demand(rule=PATTERN, member=member, broken=broken, what=f"is no {name}", limit=f"format {name}")
    length = _VALUE.str.len_chars()
    if member.min_length is not None:
        broken, limit = fits & (length < member.min_length), f"at least {counted(member.min_length, 'character')}"
        yield Demand(rule=LENGTH, member=member, broken=broken, what="is too short", limit=limit)
    if member.max_length is not None:
        broken, limit = fits & (length > member.max_length), f"at most {counted(member.max_length, 'character')}"
        yield Demand(rule=LENGTH, member=member, broken=broken, what="is too long", limit=limit)


def _is_one_of(member: Property, values: tuple[str, ...]) -> Expr:
    kind = member.logical_type or LogicalType.STRING
    allowed = Series([canonical_text(value, kind, member.date_format) for value in values], dtype=pl.String)
    return canonical(_VALUE, kind, member.date_format).is_in(allowed.implode())


def _list(values: tuple[str, ...]) -> str:
    more = f" and {len(values) - _SHOWN_VALUES} more" if len(values) > _SHOWN_VALUES else ""
    return "one of " + ", ".join(values[:_SHOWN_VALUES]) + more


def _quality_demand(member: Property, rule: QualityRule, fits: Expr) -> Demand:
    if rule.metric is not Metric.INVALID_VALUES:
        spellings = Series(list(rule.missing_values), dtype=pl.String).implode()
        broken = _VALUE.is_null() | _VALUE.is_in(spellings)
        limit = "a value" if rule.tolerates_none else f"{rule.limit} missing values"
        return Demand(rule=MISSING, member=member, broken=broken, what="is missing", limit=limit, quality=rule)
    wrong: Expr = pl.lit(value=False)
    limits = []
    if rule.valid_values is not None:
        wrong = wrong | ~_is_one_of(member, rule.valid_values)
        limits.append(_list(rule.valid_values))
    if rule.pattern:
        wrong = wrong | ~_VALUE.str.contains(anchored(rule.pattern))
        limits.append(f"pattern {rule.pattern}")
    limit = " and ".join(limits)
    by_values = rule.valid_values is not None
    return Demand(
        rule=OUTSIDE_ENUM if by_values else PATTERN,
        member=member,
        broken=fits & _VALUE.is_not_null() & wrong,
        what="is not allowed" if by_values else "does not match the pattern",
        limit=limit if rule.tolerates_none else f"{rule.limit} values other than {limit}",
        quality=rule,
    )
