"""The evidence that a check leaves: facts (named, typed, with unit), findings, artifacts.

All types are frozen and turn into JSON and back through msgspec, so that evidence crosses processes, lies in the
result cache and enters decisions in one form. Numbers are decimal strings: ``0.8`` never becomes
``0.8000000000000000444``.
"""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from quilate.domain.ids import Digest, RuleId
from quilate.domain.severity import Severity
from quilate.kit.canonical import decimal_text


class FactType(StrEnum):
    """The types of the policy language."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class FactSpec:
    """A fact that a check promises to produce, known to the planner before anything runs.

    ``unit`` is ``ratio``, ``count``, ``ms``, ``s``, ``bytes`` or empty; a ratio is never a percentage.
    """

    name: str
    type: FactType
    unit: str = ""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A measured value; ``None`` means that it was asked for and could not be measured.

    A number is kept as its decimal text. ``low`` and ``high`` bound a measured statistic (confidence interval): a
    limit inside them is neither met nor missed. ``sample_size`` is the n behind it.
    """

    name: str
    type: FactType
    unit: str = ""
    value: str | bool | None = None
    low: str | None = None
    high: str | None = None
    sample_size: int | None = None

    @property
    def number(self) -> Decimal | None:
        """The value as a decimal, or ``None`` where it is missing, not a number, NaN or infinite."""
        return finite_decimal(self.value) if self.type is FactType.NUMBER else None


def finite_decimal(text: str | bool | None) -> Decimal | None:  # noqa: FBT001 - the value of a fact, not a switch
    """Return ``text`` as a finite decimal, or ``None``."""
    if not isinstance(text, str):
        return None
    try:
        number = Decimal(text)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def number_fact(  # noqa: PLR0913 - one argument per column of the fact
    name: str,
    value: Decimal | float | None,
    *,
    unit: str = "",
    low: Decimal | float | None = None,
    high: Decimal | float | None = None,
    sample_size: int | None = None,
) -> Fact:
    """Return a number fact; floats are taken at their shortest spelling, NaN and infinities become ``None``."""
    return Fact(
        name=name,
        type=FactType.NUMBER,
        unit=unit,
        value=_text_of(value),
        low=_text_of(low),
        high=_text_of(high),
        sample_size=sample_size,
    )


def boolean_fact(name: str, *, value: bool | None) -> Fact:
    """Return a boolean fact."""
    return Fact(name=name, type=FactType.BOOLEAN, value=value)


def text_fact(name: str, value: str | None) -> Fact:
    """Return a text fact."""
    return Fact(name=name, type=FactType.TEXT, value=value)


def _text_of(value: Decimal | float | None) -> str | None:
    if value is None:
        return None
    number = value if isinstance(value, Decimal) else Decimal(repr(value))
    return decimal_text(number) if number.is_finite() else None


class FindingKind(StrEnum):
    """What sort of fault a finding is; the policy language counts by it."""

    CODE = "code"
    TEST = "test"
    VULNERABILITY = "vulnerability"
    SECRET = "secret"  # noqa: S105 - the kind of a finding, not a password
    CRYPTOGRAPHY = "cryptography"
    DATA = "data"
    MODEL = "model"
    PERFORMANCE = "performance"
    CONFIGURATION = "configuration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    """Where a finding is: a place in a file, a data record, or an address.

    ``path`` is relative to the workspace, with ``/``; lines and columns count from one, ``end_column`` is exclusive.
    ``record`` counts data records from one (the header is no record); ``field`` is the column's name; ``cell`` is a
    notebook's code cell, counted from one, and then ``line`` is the line within that cell.
    """

    path: str = ""
    line: int | None = None
    column: int | None = None
    end_line: int | None = None
    end_column: int | None = None
    record: int | None = None
    field: str | None = None
    cell: int | None = None
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong: what, where, measured, limit and the fix. One cause, one finding.

    Attributes:
        rule: ``tool/CODE`` or ``QL-AREA-NNN``.
        message: What is wrong, one sentence without a full stop; never contains a secret.
        measured: The value found, as text with unit; for a fault without a number, the thing found.
        limit: What is allowed, as text.
        fix: What to do, an imperative sentence.
        context: Text that identifies the place when lines move (by default the stripped source line).
        fixable: A tool can apply the fix by itself.
        help_url: The rule's documentation.
        fingerprint: Stable identity across runs; assigned once when the evidence is collected.
    """

    rule: RuleId
    kind: FindingKind
    severity: Severity
    message: str
    location: Location
    measured: str
    limit: str
    fix: str
    context: str = ""
    fixable: bool = False
    help_url: str = ""
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecided:
    """Something that was measured or tried but does not settle the question.

    Attributes:
        subject: What is open: a fact's name, a metric and group, or a file.
        reason: Why, one sentence without a full stop.
        next_step: What settles it; says how large n must be where the sample is too small.
        needed_sample: That n, where it can be told.
    """

    subject: str
    reason: str
    next_step: str
    needed_sample: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A file that a check left (report, log), addressed by its content."""

    name: str
    media_type: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TestAttempt:
    """One try of one test; a test that fails and then passes is flaky, never silently green."""

    __test__ = False

    test: str
    attempt: int
    passed: bool
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that one check leaves.

    ``summary`` is the few words that stand on the check's line, for example ``312 passed``. ``notes`` are shown with
    the details and decide nothing.
    """

    summary: str = ""
    facts: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    test_attempts: tuple[TestAttempt, ...] = ()
    notes: tuple[str, ...] = ()
