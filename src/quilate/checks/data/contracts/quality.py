"""Read the quality rules of an object or a property."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from quilate.checks.data.contracts.located_yaml import Mapping, Node, Scalar, Sequence, contract_error
from quilate.checks.data.contracts.model import Condition, Metric, NotEvaluated, Operator, QualityRule
from quilate.checks.data.contracts.vocabulary import METRIC_ARGUMENTS, QUALITY_KEYS
from quilate.checks.tables.values import pattern_fault
from quilate.domain.nearest import nearest_hint
from quilate.domain.severity import Severity

_TYPES = ("library", "text", "sql", "custom")
_OUR_ENGINE = "quilate"
_OBJECT_DEMANDS = ("additionalColumns",)
_PROPERTY_DEMANDS = ("maxMissingRatio",)
_SEVERITIES = {"info": Severity.INFO, "warning": Severity.LOW, "error": Severity.HIGH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """What an element's quality list demands."""

    rules: tuple[QualityRule, ...]
    additional_columns_refused: bool | None
    max_missing_ratio: Decimal | None


def read_quality(item: Mapping, subject: str, open_demands: list[NotEvaluated], *, of_object: bool) -> Quality:
    """Return the rules that can be judged; those that cannot are added to ``open_demands``.

    Raises:
        EvidenceError: A rule is wrong.
    """
    rules = []
    refused: bool | None = None
    ratio: Decimal | None = None
    for entry in item.mappings("quality"):
        kind = _kind(entry)
        if kind == "library":
            rules.append(_library_rule(entry, of_object=of_object))
        elif kind == "custom" and entry.text("engine") == _OUR_ENGINE:
            demand = _our_demand(entry, of_object=of_object)
            refused = _additional_columns(demand) if "additionalColumns" in demand.entries else refused
            ratio = _ratio(demand) if "maxMissingRatio" in demand.entries else ratio
        elif kind != "text":
            what = "a query" if kind == "sql" else f"a rule of engine {entry.text('engine') or '(none)'}"
            reason = f"{what} is not judged on a file"
            open_demands.append(NotEvaluated(subject=subject, reason=reason, position=entry.position))
    return Quality(rules=tuple(rules), additional_columns_refused=refused, max_missing_ratio=ratio)


def _kind(entry: Mapping) -> str:
    """Return the type of a quality rule."""
    entry.only(QUALITY_KEYS, "a quality rule")
    kind = entry.text("type", "library")
    if kind not in _TYPES:
        raise contract_error(f"unknown type {kind!r}{nearest_hint(kind, _TYPES)}", entry.at("type"))
    return kind


def _our_demand(entry: Mapping, *, of_object: bool) -> Mapping:
    demand = entry.mapping("implementation")
    if demand is None or not demand.keys:
        raise contract_error("a rule of engine quilate needs an implementation", entry.position)
    demand.only(_OBJECT_DEMANDS if of_object else _PROPERTY_DEMANDS, "an implementation for engine quilate here")
    return demand


def _additional_columns(demand: Mapping) -> bool:
    word = demand.text("additionalColumns")
    if word not in {"allowed", "refused"}:
        raise contract_error("additionalColumns must be allowed or refused", demand.at("additionalColumns"))
    return word == "refused"


def _ratio(demand: Mapping) -> Decimal:
    value = _number(demand.entries["maxMissingRatio"], "maxMissingRatio")
    if not 0 <= value <= 1:
        raise contract_error("maxMissingRatio must lie between 0 and 1", demand.at("maxMissingRatio"))
    return value


def _library_rule(entry: Mapping, *, of_object: bool) -> QualityRule:
    name = entry.text("metric") or entry.text("rule")
    if name not in set(Metric):
        raise contract_error(f"unknown metric {name!r}{nearest_hint(name, METRIC_ARGUMENTS)}", entry.at("metric"))
    metric = Metric(name)
    if not of_object and metric is Metric.ROW_COUNT:
        raise contract_error("rowCount belongs to the quality of the object", entry.at("metric"))
    if of_object and metric not in {Metric.ROW_COUNT, Metric.DUPLICATE_VALUES}:
        raise contract_error(f"{metric} belongs to the quality of a property", entry.at("metric"))
    arguments = entry.mapping("arguments") or Mapping(entries={}, keys={}, position=entry.position)
    arguments.only(METRIC_ARGUMENTS[metric], f"the arguments of {metric}")
    rule = QualityRule(
        metric=metric,
        conditions=_conditions(entry),
        percent=_percent(entry),
        severity=_SEVERITIES.get(entry.text("severity").casefold(), Severity.HIGH),
        position=entry.position,
        valid_values=_values(arguments, "validValues") if "validValues" in arguments.entries else None,
        pattern=_pattern(arguments),
        missing_values=_values(arguments, "missingValues"),
        properties=_values(arguments, "properties"),
    )
    if metric is Metric.INVALID_VALUES and rule.valid_values is None and not rule.pattern:
        raise contract_error("invalidValues needs validValues or pattern in its arguments", entry.position)
    if of_object and metric is Metric.DUPLICATE_VALUES and not rule.properties:
        raise contract_error("duplicateValues of an object needs properties in its arguments", entry.position)
    return rule


def _pattern(arguments: Mapping) -> str:
    written = arguments.text("pattern")
    if written and (fault := pattern_fault(written)):
        raise contract_error(f"pattern {written!r} cannot be used: {fault}", arguments.at("pattern"))
    return written


def _percent(entry: Mapping) -> bool:
    unit = entry.text("unit", "rows")
    if unit not in {"rows", "percent"}:
        raise contract_error(f"unit must be rows or percent, not {unit!r}", entry.at("unit"))
    return unit == "percent"


def _values(arguments: Mapping, key: str) -> tuple[str, ...]:
    values = []
    for node in arguments.sequence(key):
        if not isinstance(node, Scalar):
            raise contract_error(f"{key} must be a list of single values", node.position)
        if not node.is_null:
            values.append(node.text)
    return tuple(values)


def _conditions(entry: Mapping) -> tuple[Condition, ...]:
    conditions = tuple(
        Condition(operator=operator, numbers=_numbers(entry, operator))
        for operator in Operator
        if operator in entry.entries
    )
    if not conditions:
        raise contract_error("a library rule needs an operator, for example mustBe: 0", entry.position)
    return conditions


def _numbers(entry: Mapping, operator: Operator) -> tuple[Decimal, ...]:
    node = entry.entries[operator]
    if operator not in {Operator.BETWEEN, Operator.NOT_BETWEEN}:
        return (_number(node, operator),)
    pair = 2
    if not isinstance(node, Sequence) or len(node.items) != pair:
        raise contract_error(f"{operator} needs two numbers", node.position)
    first, last = (_number(item, operator) for item in node.items)
    if first > last:
        raise contract_error(f"{operator} needs the smaller number first", node.position)
    return first, last


def _number(node: Node, key: str) -> Decimal:
    try:
        value = Decimal(node.text) if isinstance(node, Scalar) else Decimal("NaN")
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite():
        raise contract_error(f"{key} must be a number", node.position)
    return value
