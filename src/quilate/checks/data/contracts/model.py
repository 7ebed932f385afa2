"""A data contract, reduced to what can be judged on a file."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from quilate.checks.tables.values import LogicalType
from quilate.domain.errors import SourcePosition
from quilate.domain.severity import Severity
from quilate.kit.canonical import decimal_text


class Operator(StrEnum):
    """The comparison operators of the standard's quality rules."""

    MUST_BE = "mustBe"
    MUST_NOT_BE = "mustNotBe"
    GREATER = "mustBeGreaterThan"
    GREATER_OR_EQUAL = "mustBeGreaterOrEqualTo"
    LESS = "mustBeLessThan"
    LESS_OR_EQUAL = "mustBeLessOrEqualTo"
    BETWEEN = "mustBeBetween"
    NOT_BETWEEN = "mustNotBeBetween"


_WORDS = {
    Operator.MUST_BE: "exactly {0}",
    Operator.MUST_NOT_BE: "not {0}",
    Operator.GREATER: "more than {0}",
    Operator.GREATER_OR_EQUAL: "at least {0}",
    Operator.LESS: "fewer than {0}",
    Operator.LESS_OR_EQUAL: "at most {0}",
    Operator.BETWEEN: "more than {0} and fewer than {1}",
    Operator.NOT_BETWEEN: "not between {0} and {1}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """An operator with its one or two numbers.

    ``mustBeBetween`` leaves its bounds out: the standard defines it as ``mustBeGreaterThan`` and ``mustBeLessThan``.
    """

    operator: Operator
    numbers: tuple[Decimal, ...]

    def accepts(self, value: Decimal) -> bool:
        """Return whether the value meets the condition."""
        first, last = self.numbers[0], self.numbers[-1]
        return {
            Operator.MUST_BE: value == first,
            Operator.MUST_NOT_BE: value != first,
            Operator.GREATER: value > first,
            Operator.GREATER_OR_EQUAL: value >= first,
            Operator.LESS: value < first,
            Operator.LESS_OR_EQUAL: value <= first,
            Operator.BETWEEN: first < value < last,
            Operator.NOT_BETWEEN: not first < value < last,
        }[self.operator]

    def __str__(self) -> str:
        return _WORDS[self.operator].format(*(decimal_text(number) for number in self.numbers))


class Metric(StrEnum):
    """The metrics of the standard's library rules."""

    NULL_VALUES = "nullValues"
    MISSING_VALUES = "missingValues"
    INVALID_VALUES = "invalidValues"
    DUPLICATE_VALUES = "duplicateValues"
    ROW_COUNT = "rowCount"


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityRule:
    """A library rule: a metric that must meet conditions.

    Attributes:
        percent: The metric is compared in hundredths of the rows instead of as a count.
        valid_values: For ``invalidValues``: the allowed values, ``None`` where only the pattern counts.
        pattern: For ``invalidValues``.
        missing_values: For ``missingValues``: spellings that stand for a missing value.
        properties: For ``duplicateValues`` of an object: the names of the properties of the key.
    """

    metric: Metric
    conditions: tuple[Condition, ...]
    percent: bool
    severity: Severity
    position: SourcePosition
    valid_values: tuple[str, ...] | None = None
    pattern: str = ""
    missing_values: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()

    def accepts(self, count: int, rows: int) -> bool:
        """Return whether all conditions hold for ``count`` of ``rows``."""
        value = Decimal(100 * count) / Decimal(rows or 1) if self.percent else Decimal(count)
        return all(condition.accepts(value) for condition in self.conditions)

    @property
    def tolerates_none(self) -> bool:
        """A single offending cell breaks the rule."""
        return not all(
            condition.accepts(Decimal("0.000001") if self.percent else Decimal(1)) for condition in self.conditions
        )

    @property
    def limit(self) -> str:
        """The conditions in words."""
        return " and ".join(str(condition) for condition in self.conditions) + (" percent" if self.percent else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class RangeLimit:
    """One bound of a range. ``text`` is as written; ``number`` is a decimal, or microseconds for dates."""

    text: str
    number: Decimal
    below: bool
    exclusive: bool

    def __str__(self) -> str:
        sign = (">" if self.below else "<") + ("" if self.exclusive else "=")
        return f"{sign} {self.text}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """A column and all that is demanded of it.

    ``logical_type`` is ``None`` where the values' type is not judged. ``date_format`` is in chrono's spelling.
    ``sensitive``: its values are never shown.
    """

    name: str
    column: str
    position: SourcePosition
    logical_type: LogicalType | None = None
    required: bool = False
    unique: bool = False
    key_position: int | None = None
    limits: tuple[RangeLimit, ...] = ()
    pattern: str = ""
    min_length: int | None = None
    max_length: int | None = None
    string_format: str = ""
    date_format: str = ""
    written_format: str = ""
    enum: tuple[str, ...] | None = None
    max_missing_ratio: Decimal | None = None
    sensitive: bool = False
    quality: tuple[QualityRule, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotEvaluated:
    """A demand of the contract that this check cannot judge; it leaves the answer open."""

    subject: str
    reason: str
    position: SourcePosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One object of a data contract. ``additional_columns_refused`` is ``None`` where it does not say."""

    id: str
    version: str
    object_name: str
    properties: tuple[Property, ...]
    quality: tuple[QualityRule, ...] = ()
    additional_columns_refused: bool | None = None
    not_evaluated: tuple[NotEvaluated, ...] = ()

    @property
    def key(self) -> tuple[Property, ...]:
        """The properties of the primary key, in their order."""
        members = [member for member in self.properties if member.key_position is not None]
        return tuple(sorted(members, key=lambda member: member.key_position or 0))
