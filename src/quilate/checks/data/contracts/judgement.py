"""Judge a table by a contract: which cells break which demand, counted exactly."""

from dataclasses import dataclass

import polars as pl
from polars import Series

from quilate.checks.data.contracts.demands import Demand, demands_of, single
from quilate.checks.data.contracts.model import Contract, Metric, Property, QualityRule
from quilate.checks.tables.model import Table
from quilate.checks.tables.values import LogicalType, canonical
from quilate.domain.severity import Severity

DUPLICATE = "QL-DAT-103"


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A demand that some cells break.

    Attributes:
        rule: Our rule id.
        properties: The columns it is about; several for a key.
        count: All cells (or rows) that break it.
        rows: Indexes of the first of them in the table's frame, in order.
        what: What is wrong with a value, for example ``is no integer``.
        limit: What is allowed.
        summarised: The demand tolerates some; one finding stands for all.
        first_rows: For duplicates: the index of the first row with the same key, beside each of ``rows``.
    """

    rule: str
    properties: tuple[Property, ...]
    count: int
    rows: tuple[int, ...]
    what: str
    limit: str
    severity: Severity
    summarised: bool = False
    first_rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """All breaches, and how much was judged. The duplicates are those of the key with the most."""

    breaches: tuple[Breach, ...]
    demands: int
    missing_cells: int
    duplicate_rows: int
    rows_in_duplicate_groups: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Key:
    properties: tuple[Property, ...]
    rule: QualityRule | None
    nulls_are_values: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Repetition:
    extra: int
    in_groups: int
    breach: Breach | None


def judge(table: Table, contract: Contract, max_examples: int) -> Judgement:
    """Return what in the table breaks the contract; columns that the table lacks are left out.

    Null fails no demand but the one for a value; only values of the right type are judged further.
    """
    present = [member for member in contract.properties if member.column in table.frame.columns]
    breaches = []
    demand_count = 0
    for member in present:
        demands = demands_of(table, member)
        demand_count += len(demands)
        flags = _flags(table, member, demands)
        for demand, flag in zip(demands, flags, strict=True):
            breach = _breach(demand, flag, table.rows, max_examples)
            if breach is not None:
                breaches.append(breach)
    keys = _keys(contract, present)
    repetitions = [_repetition(table, key, max_examples) for key in keys]
    return Judgement(
        breaches=(*breaches, *(found.breach for found in repetitions if found.breach)),
        demands=demand_count + len(keys),
        missing_cells=sum(table.frame[member.column].null_count() for member in present),
        duplicate_rows=max((found.extra for found in repetitions), default=0),
        rows_in_duplicate_groups=max((found.in_groups for found in repetitions), default=0),
    )


def _flags(table: Table, member: Property, demands: tuple[Demand, ...]) -> list[Series]:
    frame = single(table, member)
    chosen = frame.select(demand.broken.fill_null(value=False).alias(str(at)) for at, demand in enumerate(demands))
    return chosen.get_columns()


def _breach(demand: Demand, flag: Series, rows: int, max_examples: int) -> Breach | None:
    count = int(flag.sum())
    if demand.tolerated(count, rows):
        return None
    summarised = demand.summarised
    shown = flag.arg_true().head(1 if summarised else max_examples)
    return Breach(
        rule=demand.rule,
        properties=(demand.member,),
        count=count,
        rows=tuple(shown.to_list()),
        what=demand.what,
        limit=demand.limit,
        severity=demand.severity,
        summarised=summarised,
    )


def _keys(contract: Contract, present: list[Property]) -> list[_Key]:
    by_name = {member.name: member for member in present}
    keys = [_Key(properties=(member,), rule=None, nulls_are_values=False) for member in present if member.unique]
    keys += [
        _Key(properties=(member,), rule=rule, nulls_are_values=False)
        for member in present
        for rule in member.quality
        if rule.metric is Metric.DUPLICATE_VALUES
    ]
    if contract.key and all(member.name in by_name for member in contract.key):
        keys.append(_Key(properties=contract.key, rule=None, nulls_are_values=True))
    for rule in contract.quality:
        if rule.metric is Metric.DUPLICATE_VALUES and all(name in by_name for name in rule.properties):
            members = tuple(by_name[name] for name in rule.properties)
            keys.append(_Key(properties=members, rule=rule, nulls_are_values=True))
    return keys


def _repetition(table: Table, key: _Key, max_examples: int) -> _Repetition:
    names = [str(at) for at in range(len(key.properties))]
    cells = pl.DataFrame(
        [table.frame[member.column].alias(at) for at, member in zip(names, key.properties, strict=True)]
    )
    frame = cells.select(
        canonical(pl.col(name), member.logical_type or LogicalType.STRING, member.date_format).alias(name)
        for name, member in zip(names, key.properties, strict=True)
    ).with_row_index("row")
    if not key.nulls_are_values:
        frame = frame.filter(pl.col("0").is_not_null())
    frame = frame.filter(pl.struct(names).is_duplicated())
    frame = frame.with_columns(pl.col("row").min().over(names).alias("first"))
    extra = frame.filter(pl.col("row") != pl.col("first"))
    rule = key.rule
    tolerated = rule.accepts(extra.height, table.rows) if rule else extra.height == 0
    if tolerated:
        return _Repetition(extra=extra.height, in_groups=frame.height, breach=None)
    summarised = rule is not None and not rule.tolerates_none
    shown = extra.head(1 if summarised else max_examples)
    breach = Breach(
        rule=DUPLICATE,
        properties=key.properties,
        count=extra.height,
        rows=tuple(shown["row"].to_list()),
        first_rows=tuple(shown["first"].to_list()),
        what="repeats the key",
        limit="every key once" if rule is None or not summarised else f"{rule.limit} duplicates",
        severity=rule.severity if rule else Severity.HIGH,
        summarised=summarised,
    )
    return _Repetition(extra=extra.height, in_groups=frame.height, breach=breach)
