"""Where the evaluator gets values from: the facts and judged findings of a run, counted once.

A value that a check owes and did not give is unknown, with the reason and what to do. A function over findings is
false as soon as one finding says so, and true only when every check that could have found one gave a whole answer.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date

from quilate.domain.ids import CheckId, StageName
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Fact, FactType, Finding, FindingKind
from quilate.kit.words import counted
from quilate.policy.judgement import Judgement, judge_all
from quilate.policy.model import Baseline, Binding, CheckDecision, JudgedCheck, Value, Vocabulary, Waiver
from quilate.policy.vocabulary import (
    ALL_REQUIRED,
    CHECK_PASSES,
    CONTEXT_NAMES,
    COUNT_FINDINGS,
    FINDING_QUESTIONS,
    NO_FINDINGS,
    NO_FLAKY_TESTS,
    UNIT_TESTS,
    FindingQuestion,
    build_vocabulary,
    when_vocabulary,
)

__all__ = [
    "CONTEXT_NAMES",
    "DecisionEnvironment",
    "JudgedFacts",
    "build_vocabulary",
    "environment_for_when",
    "when_vocabulary",
]

PASSING = frozenset({CheckResult.PASS, CheckResult.WARN, CheckResult.NOT_APPLICABLE})
"""The results that let a required check through."""

_ENDED = {
    Completion.ERROR: "could not answer",
    Completion.TIMED_OUT: "ran out of time",
    Completion.CANCELLED: "was cancelled",
    Completion.SKIPPED: "did not run",
    Completion.NOT_APPLICABLE: "does not apply",
}
_RANKS = len(Severity)
_SEVERITY_NAMES = tuple(severity.value for severity in Severity)
_RANK_OF: Mapping[str, int] = {name: rank for rank, name in enumerate(_SEVERITY_NAMES)}


class _Counts:
    """The counted findings of one check: by kind, and by rule, at or above each severity's rank."""

    __slots__ = ("by_kind", "by_rule", "total")

    def __init__(self, findings: Iterable[Finding]) -> None:
        exact = Counter((finding.kind, str(finding.rule), finding.severity.value) for finding in findings)
        self.total = [0] * _RANKS
        self.by_kind: dict[FindingKind, list[int]] = {}
        self.by_rule: dict[str, list[int]] = {}
        for (kind, rule, severity), number in exact.items():
            of_kind = self.by_kind.setdefault(kind, [0] * _RANKS)
            of_rule = self.by_rule.setdefault(rule, [0] * _RANKS)
            for rank in range(_RANK_OF[severity] + 1):
                self.total[rank] += number
                of_kind[rank] += number
                of_rule[rank] += number

    def at_or_above(self, rank: int, kind: FindingKind | None) -> int:
        if kind is None:
            return self.total[rank]
        return self.by_kind[kind][rank] if kind in self.by_kind else 0


_NO_COUNTS = _Counts(())


def _counts_of(judgement: Judgement) -> _Counts:
    found = judgement.counted
    return _Counts(found) if found else _NO_COUNTS


class JudgedFacts:
    """Facts and counts of all checks, gathered once per decision and shared by its policies.

    Args:
        checks: The checks that have ended.
        judgements: What became of each of them, in the same order.
    """

    def __init__(self, checks: Sequence[JudgedCheck], judgements: Sequence[Judgement]) -> None:
        self.checks = {check.check_id: check for check in checks}
        self.judgements = {judgement.decision.check_id: judgement for judgement in judgements}
        self.counts = {check_id: _counts_of(judgement) for check_id, judgement in self.judgements.items()}
        self.facts: dict[str, tuple[JudgedCheck, Fact | None]] = {}
        self.ambiguous: dict[str, tuple[str, ...]] = {}
        promised: dict[str, list[str]] = {}
        left: dict[str, list[str]] = {}
        for check in checks:
            completed = check.completion is Completion.COMPLETED
            facts = {fact.name: fact for fact in check.facts} if completed else {}
            for name in dict.fromkeys((*check.produces, *facts)):
                self.facts[f"{check.check_id}.{name}"] = (check, facts.get(name))
                (promised if name in check.produces else left).setdefault(name, []).append(f"{check.check_id}.{name}")
        for name, full in (left | promised).items():
            if len(full) > 1:
                self.ambiguous[name] = tuple(full)
            else:
                self.facts.setdefault(name, self.facts[full[0]])


class DecisionEnvironment:
    """The values of one policy.

    Args:
        judged: The gathered facts and counts.
        stage: Where the policy decides a stage: ``all_required_checks_pass`` then asks that stage's checks.
        context: Names besides facts, for ``when`` conditions.
        vocabulary: For ``when`` conditions all names of the plan, so that what has not ended yet is known to be owed.
    """

    def __init__(
        self,
        judged: JudgedFacts,
        *,
        stage: StageName | None = None,
        context: Mapping[str, str | bool] | None = None,
        vocabulary: Vocabulary | None = None,
    ) -> None:
        self._judged = judged
        self._stage = stage
        self._context = context or {}
        self._vocabulary = vocabulary or Vocabulary()
        self._functions: dict[str, Callable[[tuple[Value, ...]], Value]] = {
            ALL_REQUIRED: self._all_required,
            NO_FINDINGS: self._no_findings,
            CHECK_PASSES: self._check_passes,
            COUNT_FINDINGS: self._count_findings,
            NO_FLAKY_TESTS: self._no_flaky_tests,
        }

    def fact(self, name: str) -> Value:
        """Return the value of a name: of the surroundings, of a fact, or of a function without arguments."""
        if name in self._context:
            value = self._context[name]
            return Value(type=FactType.BOOLEAN if isinstance(value, bool) else FactType.TEXT, value=value)
        if name in self._judged.facts:
            return _fact_value(name, *self._judged.facts[name])
        if name in self._judged.ambiguous:
            return _unknown(f"several checks produce `{name}`: {', '.join(self._judged.ambiguous[name])}")
        spec = self._vocabulary.names.get(name)
        if spec is not None:
            return _unknown(_not_ended(spec.producers), origin=spec.producers, value_type=spec.type)
        if name in self._functions or name in FINDING_QUESTIONS:
            return self.call(name, ())
        return _unknown(f"no check of this run produces `{name}`")

    def call(self, function: str, arguments: tuple[Value, ...]) -> Value:
        """Return the value of a function; a wrong argument makes it unknown."""
        question = FINDING_QUESTIONS.get(function)
        if question is not None:
            return self._no_findings_of(question, function, arguments)
        answer = self._functions.get(function)
        return answer(arguments) if answer else _unknown(f"there is no function `{function}`")

    def _all_required(self, arguments: tuple[Value, ...]) -> Value:
        if arguments:
            return _unknown(f"`{ALL_REQUIRED}` takes no arguments")
        if not self._judged.judgements:
            return _unknown("no check was judged", next_step="let the blueprint name at least one check")
        decisions = self._required_decisions()
        failing = [decision for decision in decisions if decision.result is CheckResult.FAIL]
        if failing:
            reason = "; ".join(f"{decision.check_id} fails: {decision.reason}" for decision in failing)
            return _false(reason, tuple(decision.check_id for decision in failing))
        open_ones = tuple(decision.check_id for decision in decisions if decision.result not in PASSING)
        if open_ones:
            return self._open(open_ones)
        return _true(tuple(decision.check_id for decision in decisions))

    def _required_decisions(self) -> list[CheckDecision]:
        """Return what became of the required checks, of the policy's stage where it decides one."""
        decisions = [judgement.decision for judgement in self._judged.judgements.values()]
        return [one for one in decisions if one.required and self._stage in {None, one.stage}]

    def _no_findings(self, arguments: tuple[Value, ...]) -> Value:
        rank = _rank(arguments)
        if rank is None:
            return _unknown(f"`{NO_FINDINGS}` takes one severity")
        return self._none_at_or_above(tuple(self._judged.checks), None, rank, "findings")

    def _no_findings_of(self, question: FindingQuestion, function: str, arguments: tuple[Value, ...]) -> Value:
        takes_severity = question.kind is FindingKind.VULNERABILITY
        rank = _rank(arguments) if takes_severity else Severity.LOW.rank
        if rank is None or (arguments and not takes_severity):
            return _unknown(f"`{function}` takes {'one severity' if takes_severity else 'no arguments'}")
        producers = tuple(
            check_id for check_id, check in self._judged.checks.items() if question.marker in check.produces
        )
        return self._none_at_or_above(producers, question.kind, rank, question.noun, function)

    def _none_at_or_above(
        self, producers: tuple[CheckId, ...], kind: FindingKind | None, rank: int, noun: str, function: str = ""
    ) -> Value:
        found = {check_id: self._judged.counts[check_id].at_or_above(rank, kind) for check_id in producers}
        guilty = {check_id: number for check_id, number in found.items() if number}
        if guilty:
            numbers = ", ".join(f"{number} by {check_id}" for check_id, number in guilty.items())
            return _false(f"{noun} at or above {_SEVERITY_NAMES[rank]}: {numbers}", tuple(guilty))
        return self._true_if_whole(producers, noun, function)

    def _true_if_whole(self, producers: tuple[CheckId, ...], noun: str, function: str = "") -> Value:
        """Return true when every producer that applies gave a whole answer, else why it is open."""
        promised = self._vocabulary.functions.get(function)
        missing = tuple(one for one in promised.producers if one not in self._judged.checks) if promised else ()
        if missing:
            return _unknown(_not_ended(missing), origin=missing)
        applying = tuple(one for one in producers if self._result(one) is not CheckResult.NOT_APPLICABLE)
        if not applying:
            does_not = "applies to this run" if producers else "is part of this run"
            return _unknown(f"no check that looks for {noun} {does_not}", origin=producers)
        open_ones = tuple(check_id for check_id in applying if not self._is_whole(check_id))
        return self._open(open_ones) if open_ones else _true(applying)

    def _check_passes(self, arguments: tuple[Value, ...]) -> Value:
        name = _text(arguments, 0)
        if len(arguments) != 1 or name is None:
            return _unknown(f"`{CHECK_PASSES}` takes one check id")
        judgement = self._judged.judgements.get(CheckId(name))
        if judgement is None:
            return _unknown(f"no check {name!r} has ended in this run")
        decision = judgement.decision
        if decision.result is CheckResult.FAIL:
            return _false(f"{name} fails: {decision.reason}", (decision.check_id,))
        return _true((decision.check_id,)) if decision.result in PASSING else self._open((decision.check_id,))

    def _count_findings(self, arguments: tuple[Value, ...]) -> Value:
        wanted, rank = _text(arguments, 0), _rank(arguments[1:])
        if wanted is None or rank is None:
            return _unknown(f"`{COUNT_FINDINGS}` takes a check id or rule, and a severity")
        check_id = CheckId(wanted)
        if check_id in self._judged.counts:
            producers: tuple[CheckId, ...] = (check_id,)
            number = self._judged.counts[check_id].total[rank]
        else:
            producers = tuple(self._judged.checks)
            beginning = wanted.removesuffix("*")
            rules = [counts.by_rule for counts in self._judged.counts.values()]
            number = sum(by[rank] for of in rules for rule, by in of.items() if rule.startswith(beginning))
        whole = self._true_if_whole(producers, wanted)
        if whole.value is True:
            return Value(type=FactType.NUMBER, value=str(number), unit="count", origin=producers)
        # Some evidence is missing: what was found is there, and there may be more.
        return Value(
            type=FactType.NUMBER,
            value=str(number),
            unit="count",
            low=str(number),
            origin=whole.origin or producers,
            reason=whole.reason,
            next_step=whole.next_step,
        )

    def _no_flaky_tests(self, arguments: tuple[Value, ...]) -> Value:
        if arguments:
            return _unknown(f"`{NO_FLAKY_TESTS}` takes no arguments")
        producers = tuple(check_id for check_id, check in self._judged.checks.items() if check.type == UNIT_TESTS)
        flaky = {one: self._judged.judgements[one].decision.flaky_tests for one in producers}
        guilty = {check_id: tests for check_id, tests in flaky.items() if tests}
        if guilty:
            numbers = ", ".join(f"{counted(len(tests), 'test')} of {one}" for one, tests in guilty.items())
            return _false(f"failed and then passed: {numbers}", tuple(guilty))
        return self._true_if_whole(producers, "flaky tests", NO_FLAKY_TESTS)

    def _result(self, check_id: CheckId) -> CheckResult:
        return self._judged.judgements[check_id].decision.result

    def _is_whole(self, check_id: CheckId) -> bool:
        check = self._judged.checks[check_id]
        return check.completion is Completion.COMPLETED and not check.undecided

    def _open(self, check_ids: tuple[CheckId, ...]) -> Value:
        checks = [self._judged.checks[check_id] for check_id in check_ids]
        steps = [step for check in checks if (step := next_step_of(check))]
        reason = "; ".join(why_open(check) for check in checks)
        return _unknown(reason, origin=check_ids, next_step="; ".join(dict.fromkeys(steps)))


def environment_for_when(  # noqa: PLR0913, PLR0917 - one argument per thing that a condition depends on
    known: Iterable[JudgedCheck],
    vocabulary: Vocabulary,
    names: Mapping[str, str | bool],
    waivers: Iterable[Waiver] = (),
    baseline: Baseline | None = None,
    evaluated_on: date = date.max,
) -> DecisionEnvironment:
    """Return the values of a ``when`` condition: over the checks that have ended, and over its surroundings.

    Args:
        known: The checks that have ended.
        vocabulary: What the plan's checks produce; what is in it and not known yet is unknown.
        names: The values of ``CONTEXT_NAMES``.
        waivers: As in the decision.
        baseline: As in the decision; only new findings count where there is one.
        evaluated_on: As in the decision. By default no waiver counts any more and every check is enforced.
    """
    checks = tuple(known)
    binding = Binding.ALL if baseline is None else Binding.NEW
    judgements, _ = judge_all(checks, waivers, baseline, evaluated_on, binding)
    return DecisionEnvironment(JudgedFacts(checks, judgements), context=names, vocabulary=vocabulary)


def _fact_value(name: str, check: JudgedCheck, fact: Fact | None) -> Value:
    if fact is not None:
        reason, next_step = _unmeasured(check, fact.name) if fact.value is None else ("", _narrowing_step(check, fact))
        return Value(
            type=fact.type,
            value=fact.value,
            unit=fact.unit,
            low=fact.low,
            high=fact.high,
            origin=(check.check_id,),
            reason=reason,
            next_step=next_step,
        )
    reason = f"{check.check_id} left no `{name.removeprefix(f'{check.check_id}.')}`"
    if check.completion is not Completion.COMPLETED:
        reason = why_open(check)
    return _unknown(reason, origin=(check.check_id,), next_step=next_step_of(check))


def _unmeasured(check: JudgedCheck, name: str) -> tuple[str, str]:
    """Return why a fact has no value and what to do, from the open question about it where there is one."""
    question = next((one for one in check.undecided if one.subject == name), None)
    because = f": {question.reason}" if question else ""
    next_step = question.next_step if question else next_step_of(check)
    return f"{check.check_id} could not measure `{name}`{because}", next_step


def _narrowing_step(check: JudgedCheck, fact: Fact) -> str:
    """Return what narrows the interval of a fact that is only known within one."""
    if fact.low is None and fact.high is None:
        return ""
    question = next((one for one in check.undecided if one.subject == fact.name), None)
    sample = f" than n {fact.sample_size}" if fact.sample_size is not None else ""
    return question.next_step if question else f"measure `{fact.name}` of {check.check_id} on a larger sample{sample}"


def why_open(check: JudgedCheck) -> str:
    """Return why a check gave no whole answer."""
    if check.completion is Completion.COMPLETED:
        first = check.undecided[0]
        more = f", and {len(check.undecided) - 1} more" if len(check.undecided) > 1 else ""
        return f"{check.check_id} is undecided on {first.subject}: {first.reason}{more}"
    return f"{check.check_id} {_ENDED[check.completion]}{f': {check.reason}' if check.reason else ''}"


def next_step_of(check: JudgedCheck) -> str:
    """Return what gets the whole answer of a check."""
    if check.completion is not Completion.COMPLETED:
        return check.next_step
    return check.undecided[0].next_step if check.undecided else ""


def _not_ended(check_ids: tuple[CheckId, ...]) -> str:
    return f"{', '.join(check_ids)} {'has' if len(check_ids) == 1 else 'have'} not ended yet"


def _true(origin: tuple[CheckId, ...]) -> Value:
    return Value(type=FactType.BOOLEAN, value=True, origin=origin)


def _false(reason: str, origin: tuple[CheckId, ...]) -> Value:
    return Value(type=FactType.BOOLEAN, value=False, origin=origin, reason=reason)


def _unknown(
    reason: str,
    *,
    origin: tuple[CheckId, ...] = (),
    next_step: str = "",
    value_type: FactType = FactType.BOOLEAN,
) -> Value:
    return Value(type=value_type, value=None, origin=origin, reason=reason, next_step=next_step)


def _text(arguments: tuple[Value, ...], index: int) -> str | None:
    value = arguments[index].value if index < len(arguments) else None
    return value if isinstance(value, str) else None


def _rank(arguments: tuple[Value, ...]) -> int | None:
    """Return the rank of the one severity that is given, or ``None`` where there is none."""
    name = _text(arguments, 0)
    return _RANK_OF.get(name) if name is not None and len(arguments) == 1 else None
