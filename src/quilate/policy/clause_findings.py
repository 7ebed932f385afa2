"""Which findings a clause asks about, so that an explanation names these and no others."""

from typing import NamedTuple

from quilate.domain.severity import Severity
from quilate.evidence.model import Finding, FindingKind
from quilate.policy.judgement import Judgement
from quilate.policy.language import PolicyError, parse
from quilate.policy.language.syntax import Call, Literal
from quilate.policy.model import Clause
from quilate.policy.vocabulary import FINDING_QUESTIONS, NO_FINDINGS

FUNCTION_OPERATORS = frozenset({"name", "call"})
"""The operators of clauses that may ask about findings; a comparison asks about a fact."""


class _Asked(NamedTuple):
    kind: FindingKind | None
    severity: Severity


def findings_asked_about(clause: Clause, judgement: Judgement) -> tuple[Finding, ...]:
    """Return the findings of a check that make a clause false.

    For a function over findings these are the counted ones of its kind and severity, for everything else those that
    block the check.
    """
    asked = _asked(clause)
    if asked is None:
        return judgement.blocking
    return tuple(
        finding
        for finding in judgement.counted
        if finding.severity >= asked.severity and asked.kind in {None, finding.kind}
    )


def _asked(clause: Clause) -> _Asked | None:
    function = clause.source.partition("(")[0].strip()
    question = FINDING_QUESTIONS.get(function)
    if clause.operator not in FUNCTION_OPERATORS or (question is None and function != NO_FINDINGS):
        return None
    return _Asked(question.kind if question else None, _severity(clause.source) or Severity.LOW)


def _severity(source: str) -> Severity | None:
    try:
        root = parse(source).root
    except PolicyError:
        return None
    arguments = root.arguments if isinstance(root, Call) else ()
    values = [argument.value for argument in arguments if isinstance(argument, Literal)]
    return next((Severity(value) for value in values if isinstance(value, str) and value in set(Severity)), None)
