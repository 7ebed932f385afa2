"""What a decision is made from and what it says.

``decide(DecisionInput) -> Decision`` is pure: the same input gives the same bytes on a laptop and on a cluster.
History, paths of the machine, durations and cache ages belong to the explanation and are not in here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Protocol

import msgspec

from quilate.domain.ids import CheckId, CheckType, Digest, StageName
from quilate.domain.severity import Severity
from quilate.domain.subject import Subject
from quilate.domain.verdict import CheckResult, Completion, Verdict
from quilate.evidence.baseline import Baseline as Baseline  # noqa: PLC0414 - part of the contract, lives on its own floor
from quilate.evidence.model import Fact, FactType, Finding, Undecided


class Truth(StrEnum):
    """Kleene's three truth values."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A value of the policy language as the environment gives it.

    ``value`` is the decimal text of a number, a boolean, a text, or ``None`` for unknown; ``low`` and ``high`` bound
    a number that is only known within an interval. ``reason`` says why it is unknown, ``origin`` names the checks
    that it comes from, ``next_step`` says how to get it.
    """

    type: FactType
    value: str | bool | None
    unit: str = ""
    low: str | None = None
    high: str | None = None
    origin: tuple[CheckId, ...] = ()
    reason: str = ""
    next_step: str = ""


class Environment(Protocol):
    """Where the evaluator gets values from."""

    def fact(self, name: str) -> Value:
        """Return the value of a bare or dotted name."""
        ...

    def call(self, function: str, arguments: tuple[Value, ...]) -> Value:
        """Return the value of a function call."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class NameSpec:
    """A name that a policy may read."""

    type: FactType
    unit: str = ""
    description: str = ""
    producers: tuple[CheckId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSpec:
    """A function that a policy may call; ``severity`` parameters take a severity's name as text."""

    parameters: tuple[FactType, ...]
    result: FactType
    description: str = ""
    severity_parameters: tuple[int, ...] = ()
    producers: tuple[CheckId, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """All that a policy may name. ``ambiguous`` maps bare names that several checks produce to their full names."""

    names: Mapping[str, NameSpec] = field(default_factory=dict)
    functions: Mapping[str, FunctionSpec] = field(default_factory=dict)
    ambiguous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """A node of the decision tree.

    ``source`` is the clause as written; ``operator`` is ``and``, ``or``, ``not``, a comparison, ``name``, ``call`` or
    ``literal``. A comparison carries ``actual`` and ``required`` as texts with unit, spelt so that they never look
    equal when they are not. ``origin`` names the checks behind it.
    """

    source: str
    operator: str
    truth: Truth
    actual: str = ""
    required: str = ""
    reason: str = ""
    next_step: str = ""
    origin: tuple[CheckId, ...] = ()
    children: "tuple[Clause, ...]" = ()


class PolicyEngine(StrEnum):
    """Which language a policy is written in."""

    QUILATE = "quilate"
    REGO = "rego"


class Binding(StrEnum):
    """Which findings a policy counts."""

    ALL = "all"
    NEW = "new"


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRule:
    """A policy of a blueprint. ``stage`` is set where it decides a stage; ``line`` is where the blueprint says it."""

    name: str
    rule: str
    engine: PolicyEngine = PolicyEngine.QUILATE
    stage: StageName | None = None
    binds_on: Binding = Binding.ALL
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiver:
    """An accepted exception: rule and scope, owner, reason, approver, expiry; shown, never hidden.

    Attributes:
        id: Stable name, for example ``W-1`` or the position of an inline waiver.
        rule: A rule id, or one ending in ``*``.
        paths: Glob patterns of the places it covers; empty covers all.
        line: For an inline waiver the one line it covers; ``paths`` then holds that file's own path, no pattern.
        cell: For an inline waiver in a notebook the code cell that ``line`` counts in.
        covered: For an inline waiver a digest of the covered line's text, so that an approved comment cannot be moved.
        source: ``path:line`` where it is written.
        binding: It counts. Otherwise it is a request, and ``not_binding_reason`` says why.
    """

    id: str
    rule: str
    reason: str
    until: date
    owner: str
    approver: str = ""
    paths: tuple[str, ...] = ()
    line: int | None = None
    cell: int | None = None
    covered: str = ""
    source: str = ""
    binding: bool = True
    not_binding_reason: str = ""


class JudgedCheck(msgspec.Struct, frozen=True, kw_only=True):
    """One check of the run as the decision sees it.

    ``severity_threshold``: unwaived findings at or above it fail the check, those below only warn. ``produces`` are
    the names of the facts it promised. ``facts``, ``findings`` and ``undecided`` are empty unless it completed.
    """

    check_id: CheckId
    type: CheckType
    stage: StageName
    required: bool
    completion: Completion
    severity_threshold: Severity
    produces: tuple[str, ...] = ()
    reason: str = ""
    next_step: str = ""
    enforce_from: date | None = None
    facts: tuple[Fact, ...] = ()
    findings: tuple[Finding, ...] = ()
    undecided: tuple[Undecided, ...] = ()
    flaky_tests: tuple[str, ...] = ()
    evidence_digest: Digest = Digest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionedDocument:
    """A blueprint or profile that a decision was made under."""

    id: str
    version: str
    digest: Digest


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionInput:
    """Everything that a decision depends on, stored beside it so that it can be replayed."""

    project: str
    subject: Subject
    blueprint: VersionedDocument
    profile: VersionedDocument
    evaluated_on: date
    checks: tuple[JudgedCheck, ...]
    policies: tuple[PolicyRule, ...]
    waivers: tuple[Waiver, ...] = ()
    baseline: Baseline | None = None


class CheckDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one check. Counts are of findings after baseline; ``waived`` are not among the others."""

    check_id: CheckId
    type: CheckType
    stage: StageName
    required: bool
    completion: Completion
    result: CheckResult
    reason: str = ""
    next_step: str = ""
    blocking: int = 0
    below_threshold: int = 0
    waived: int = 0
    known: int = 0
    undecided: int = 0
    flaky_tests: tuple[str, ...] = ()
    evidence_digest: Digest = Digest("")


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyDecision:
    """What a policy said, with its whole tree."""

    name: str
    engine: PolicyEngine
    rule: str
    stage: StageName | None
    binds_on: Binding
    line: int
    verdict: Verdict
    tree: Clause


@dataclass(frozen=True, slots=True, kw_only=True)
class WaiverUse:
    """A waiver that took effect, or would have but does not count (``effective`` false, with the reason)."""

    waiver_id: str
    rule: str
    source: str
    owner: str
    approver: str
    reason: str
    until: date
    effective: bool
    not_effective_reason: str = ""
    fingerprints: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The verdict with everything that led to it; serialised by ``quilate.kit.canonical.canonical_json``."""

    format: str
    project: str
    subject: Subject
    blueprint: VersionedDocument
    profile: VersionedDocument
    evaluated_on: date
    verdict: Verdict
    policies: tuple[PolicyDecision, ...]
    checks: tuple[CheckDecision, ...]
    waivers: tuple[WaiverUse, ...]
    baseline: str
    input_digest: Digest
