"""Why a decision is as it is: what failed, what is open, what is no cause, and the shortest way to accept.

History lives here and not in the decision, which is a function of its input alone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quilate.domain.ids import CheckId
from quilate.domain.verdict import CheckResult, Completion, Verdict
from quilate.kit.words import counted, form
from quilate.policy.clause_findings import FUNCTION_OPERATORS, findings_asked_about
from quilate.policy.environment import next_step_of, why_open
from quilate.policy.finding_text import finding_lines, findings_by_rule, fixing_steps
from quilate.policy.judgement import Judgement, judge_all
from quilate.policy.model import (
    Binding,
    CheckDecision,
    Clause,
    Decision,
    DecisionInput,
    JudgedCheck,
    PolicyDecision,
    Truth,
)

_OPEN_RESULTS = frozenset(
    {CheckResult.UNDECIDED, CheckResult.ERROR, CheckResult.TIMED_OUT, CheckResult.CANCELLED, CheckResult.SKIPPED}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """What an earlier run said. ``failing`` are (check, rule) of all that blocked; rule is empty without findings."""

    run: int
    verdict: str
    failing: frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingCheck:
    """A check behind a failing clause.

    Attributes:
        check: Its id.
        result: What became of it.
        summary: Why, in a few words.
        findings: What it found that counts, one line per rule, worst first.
        since_run: The first run of the unbroken row in which this fails; ``None`` where there is no history.
        last_good_run: The last run in which it did not fail.
        next_steps: What to do, in order.
    """

    check: CheckId
    result: CheckResult
    summary: str
    findings: tuple[str, ...] = ()
    since_run: int | None = None
    last_good_run: int | None = None
    next_steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """A clause that is false. ``actual`` and ``required`` are empty unless it is a comparison."""

    policy: str
    clause: str
    actual: str
    required: str
    reason: str
    checks: tuple[FailingCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuestion:
    """A clause that is unknown, why, and what settles it."""

    policy: str
    clause: str
    actual: str
    required: str
    reason: str
    next_step: str
    checks: tuple[CheckId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that there is to say about a decision; ``render_explanation`` turns it into lines."""

    headline: str
    verdict: Verdict
    causes: tuple[Cause, ...]
    open_questions: tuple[OpenQuestion, ...]
    not_causes: tuple[str, ...]
    next_steps: tuple[str, ...]


def explain(
    decision: Decision, decision_input: DecisionInput, *, run: int = 0, history: Sequence[HistoryEntry] = ()
) -> Explanation:
    """Return why a decision is as it is.

    Args:
        decision: The decision.
        decision_input: What it was made from.
        run: The run's number; zero where it has none yet.
        history: Earlier runs, in any order.
    """
    explained = _Explained(decision, decision_input, run, history)
    causes = tuple(cause for policy in decision.policies for cause in explained.causes(policy))
    questions = tuple(question for policy in decision.policies for question in explained.questions(policy))
    if decision.verdict is Verdict.UNKNOWN and not questions:
        questions = (_nothing_judged(decision),)
    involved = {one.check for cause in causes for one in cause.checks} | {one for q in questions for one in q.checks}
    if decision.verdict is not Verdict.PASS:
        questions += tuple(explained.unnamed(involved))
    steps = [step for cause in causes for one in cause.checks for step in one.next_steps]
    steps += [question.next_step for question in questions if question.next_step]
    return Explanation(
        headline=_headline(decision, run, questions),
        verdict=decision.verdict,
        causes=causes,
        open_questions=questions,
        not_causes=tuple(_not_causes(decision, involved)),
        next_steps=() if decision.verdict is Verdict.PASS else tuple(dict.fromkeys(steps)),
    )


def render_explanation(explanation: Explanation) -> list[str]:
    """Return the explanation as plain lines."""
    lines = [explanation.headline, *_cause_lines(explanation.causes)]
    if explanation.open_questions:
        lines.append("Open:")
    for question in explanation.open_questions:
        lines.append(f"  ? {_clause_text(question)}")
        lines += [f"     {question.next_step}"] if question.next_step else []
    if explanation.not_causes:
        lines.append("Not a cause:")
        lines += [f"  {text}" for text in explanation.not_causes]
    if explanation.next_steps:
        lines.append("Shortest way to accept:")
        lines += [f"  {number}. {step}" for number, step in enumerate(explanation.next_steps, start=1)]
    return lines


def _cause_lines(causes: Sequence[Cause]) -> Iterable[str]:
    """Give the causes by number; a check behind several of them is told of once."""
    told: dict[CheckId, int] = {}
    for number, cause in enumerate(causes, start=1):
        yield f"  {number}. {_clause_text(cause)}"
        for check in cause.checks:
            if check.check in told:
                yield f"     {check.check}: see {told[check.check]}"
                continue
            told[check.check] = number
            summary = f": {check.summary}" if check.summary else ""
            yield f"     {check.check}{summary}{_since(check)}"
            yield from (f"       {finding}" for finding in check.findings)


def _clause_text(clause: Cause | OpenQuestion) -> str:
    if clause.actual and clause.required:
        because = f" ({clause.reason})" if clause.reason else ""
        return f"{clause.clause}: is {clause.actual}, required {clause.required}{because}"
    return f"{clause.clause}: {clause.reason}" if clause.reason else clause.clause


def _since(check: FailingCheck) -> str:
    if check.since_run is None:
        return ""
    last = f"; run {check.last_good_run} was the last without" if check.last_good_run is not None else ""
    return f" (fails since run {check.since_run}{last})"


def _headline(decision: Decision, run: int, questions: Sequence[OpenQuestion]) -> str:
    subject = f"Run {run}" if run else "This run"
    if decision.verdict is Verdict.PASS:
        policies, said = decision.policies, "PASSED by"
    else:
        policies = tuple(policy for policy in decision.policies if policy.verdict is decision.verdict)
        said = "FAILED by" if decision.verdict is Verdict.FAIL else "is UNKNOWN by"
    word = form(len(policies), "policy", "policies")
    document = f"{decision.blueprint.id} v{decision.blueprint.version}"
    lines = [f"line {policy.line}" for policy in policies if policy.line]
    place = f"({', '.join([document, *lines])})"
    names = ", ".join(policy.name for policy in policies)
    if not policies:
        return f"{subject} is UNKNOWN {place}: {questions[0].reason}."
    missing = f": {_missing(questions)}" if decision.verdict is Verdict.UNKNOWN else ""
    return f"{subject} {said} {word} {names} {place}{missing}."


def _missing(questions: Sequence[OpenQuestion]) -> str:
    number = len({question.checks or question.clause for question in questions})
    return f"{counted(number, 'required answer')} {form(number, 'is', 'are')} missing"


def _nothing_judged(decision: Decision) -> OpenQuestion:
    completed = any(check.completion is Completion.COMPLETED for check in decision.checks)
    clause = "a policy asks about a check that completed" if completed else "at least one check completed"
    why = "no policy asks about a check that completed" if completed else "no check completed"
    step = "make a check required, or let a policy ask about one" if completed else "see why every check was left out"
    return OpenQuestion(
        policy="",
        clause=clause,
        actual="",
        required="",
        reason=f"{why}, and without evidence nothing passes",
        next_step=f"{step}: quilate plan",
        checks=(),
    )


class _Explained:
    """What the causes of one decision are told from."""

    def __init__(
        self, decision: Decision, decision_input: DecisionInput, run: int, history: Sequence[HistoryEntry]
    ) -> None:
        self._decisions = {check.check_id: check for check in decision.checks}
        self._checks = {check.check_id: check for check in decision_input.checks}
        self._run = run
        self._earlier = sorted(
            (entry for entry in history if not run or entry.run < run), key=lambda entry: entry.run, reverse=True
        )
        self._judged: dict[Binding, dict[CheckId, Judgement]] = {}
        self._input = decision_input

    def causes(self, policy: PolicyDecision) -> list[Cause]:
        """Return the clauses that make a policy false."""
        return [
            Cause(
                policy=policy.name,
                clause=clause.source,
                actual=clause.actual,
                required=clause.required,
                reason=clause.reason,
                checks=tuple(
                    self._check(check_id, policy, clause) for check_id in clause.origin if check_id in self._checks
                ),
            )
            for clause in _responsible(policy.tree, Truth.FALSE)
            if policy.verdict is Verdict.FAIL
        ]

    def questions(self, policy: PolicyDecision) -> Iterable[OpenQuestion]:
        """Give the unknown clauses of an undecided policy, and those beside the causes of a failed one."""
        for clause in () if policy.verdict is Verdict.PASS else _open_clauses(policy.tree):
            several = len(clause.origin) > 1 and clause.operator in FUNCTION_OPERATORS
            for origin in [(check_id,) for check_id in clause.origin] if several else [clause.origin]:
                check = self._checks.get(origin[0]) if several else None
                yield OpenQuestion(
                    policy=policy.name,
                    clause=clause.source,
                    actual=clause.actual,
                    required=clause.required,
                    reason=why_open(check) if check else clause.reason,
                    next_step=next_step_of(check) if check else clause.next_step,
                    checks=origin,
                )

    def unnamed(self, involved: set[CheckId]) -> Iterable[OpenQuestion]:
        """Give the required checks without a whole answer that no clause names, since another fails beside them."""
        for check_id, decision in self._decisions.items():
            if decision.required and decision.result in _OPEN_RESULTS and check_id not in involved:
                involved.add(check_id)
                yield OpenQuestion(
                    policy="",
                    clause=f"{check_id} is required",
                    actual="",
                    required="",
                    reason=why_open(self._checks[check_id]),
                    next_step=next_step_of(self._checks[check_id]),
                    checks=(check_id,),
                )

    def _check(self, check_id: CheckId, policy: PolicyDecision, clause: Clause) -> FailingCheck:
        decision, check = self._decisions[check_id], self._checks[check_id]
        judgement = self._judgements(policy.binds_on)[check_id]
        about_findings = clause.operator in FUNCTION_OPERATORS
        findings = findings_asked_about(clause, judgement)
        groups = findings_by_rule(findings)
        rules = frozenset(str(finding.rule) for finding in findings)
        # A check that passes is in no history, although a policy may ask more of its facts than its own limit does.
        failed = about_findings or decision.result is CheckResult.FAIL
        since, good = self._since(str(check_id), rules) if failed else (None, None)
        return FailingCheck(
            check=check_id,
            result=decision.result,
            summary=judgement.decision.reason if about_findings else "",
            findings=finding_lines(groups) if about_findings else (),
            since_run=since,
            last_good_run=good,
            next_steps=fixing_steps(groups) or _step_of(check, clause),
        )

    def _judgements(self, binding: Binding) -> dict[CheckId, Judgement]:
        if binding not in self._judged:
            given = self._input
            judgements, _ = judge_all(given.checks, given.waivers, given.baseline, given.evaluated_on, binding)
            self._judged[binding] = {judgement.decision.check_id: judgement for judgement in judgements}
        return self._judged[binding]

    def _since(self, check_id: str, rules: frozenset[str]) -> tuple[int | None, int | None]:
        """Return the first run of the unbroken row in which this fails, and the last in which it did not."""
        if not self._earlier:
            return None, None
        since = self._run or None
        for entry in self._earlier:
            of_check = {key[-1] for key in entry.failing if key and key[0] == check_id}
            if not (of_check & rules if rules else of_check):
                return since, entry.run
            since = entry.run
        return since, None


def _responsible(clause: Clause, truth: Truth) -> Iterable[Clause]:
    """Give the clauses that give a tree its truth: leaves, and negations whose operand holds."""
    if clause.truth is not truth:
        return
    if clause.operator in {"and", "or"}:
        for child in clause.children:
            yield from _responsible(child, truth)
    elif clause.operator == "not" and truth is Truth.UNKNOWN and clause.children:
        yield from _responsible(clause.children[0], truth)
    else:
        yield clause


def _open_clauses(clause: Clause) -> Iterable[Clause]:
    """Give the unknown leaves, also of a conjunction that is false for another reason."""
    if clause.operator == "and":
        for child in clause.children:
            yield from _open_clauses(child)
    elif clause.truth is Truth.UNKNOWN:
        yield from _responsible(clause, Truth.UNKNOWN)


def _step_of(check: JudgedCheck, clause: Clause) -> tuple[str, ...]:
    if clause.next_step or check.next_step:
        return (clause.next_step or check.next_step,)
    if clause.actual and clause.required:
        return (f"{check.check_id}: {clause.source} has to hold, and it is {clause.actual}",)
    return ()


def _not_causes(decision: Decision, involved: set[CheckId]) -> Iterable[str]:
    """Give what a reader might take for a cause and is none."""
    for check in decision.checks:
        if check.known:
            yield f"{check.check_id}: {counted(check.known, 'finding')} of the baseline {decision.baseline}"
        if check.check_id not in involved and (text := _harmless(check, decision.verdict)):
            yield f"{check.check_id}: {text}"
    for use in decision.waivers:
        if use.effective:
            places = counted(len(use.fingerprints), "finding")
            yield f"{use.rule}: {places} waived by {use.owner} until {use.until} ({use.waiver_id}: {use.reason})"


def _harmless(check: CheckDecision, verdict: Verdict) -> str:
    if check.result is CheckResult.WARN:
        return f"{check.reason}, a warning only"
    if check.completion is Completion.NOT_APPLICABLE:
        return f"does not apply{f', {check.reason}' if check.reason else ''}"
    if check.result is CheckResult.PASS or (check.required and verdict is not Verdict.PASS):
        return ""
    return f"{check.result.value}{f', {check.reason}' if check.reason else ''}; no policy needs it"
