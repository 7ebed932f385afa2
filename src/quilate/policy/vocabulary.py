"""What a policy may name: the facts of the plan's checks and the functions over findings and results."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from quilate.domain.ids import CheckId, CheckType
from quilate.evidence.model import FactSpec, FactType, FindingKind
from quilate.policy.model import FunctionSpec, NameSpec, Vocabulary

ALL_REQUIRED = "all_required_checks_pass"
NO_FINDINGS = "no_findings_with_severity_at_or_above"
NO_VULNERABILITIES = "no_vulnerabilities_with_severity_at_or_above"
NO_CRYPTO = "no_crypto_anti_patterns_detected"
NO_SECRETS = "no_secrets_detected"
CHECK_PASSES = "check_passes"
COUNT_FINDINGS = "count_findings"
NO_FLAKY_TESTS = "no_flaky_tests"

UNIT_TESTS = CheckType("UNIT_TESTS")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingQuestion:
    """A function that asks for findings of one kind; ``marker`` is the fact by which a check says it looks for them."""

    marker: str
    kind: FindingKind
    noun: str


FINDING_QUESTIONS: Mapping[str, FindingQuestion] = {
    NO_VULNERABILITIES: FindingQuestion(
        marker="vulnerabilities", kind=FindingKind.VULNERABILITY, noun="vulnerabilities"
    ),
    NO_CRYPTO: FindingQuestion(
        marker="crypto_anti_patterns", kind=FindingKind.CRYPTOGRAPHY, noun="crypto anti-patterns"
    ),
    NO_SECRETS: FindingQuestion(marker="secrets_found", kind=FindingKind.SECRET, noun="secrets"),
}

_TEXT, _BOOLEAN, _NUMBER = FactType.TEXT, FactType.BOOLEAN, FactType.NUMBER

_FUNCTIONS: Mapping[str, FunctionSpec] = {
    ALL_REQUIRED: FunctionSpec(
        parameters=(), result=_BOOLEAN, description="every required check passes, warns or does not apply"
    ),
    NO_FINDINGS: FunctionSpec(
        parameters=(_TEXT,),
        result=_BOOLEAN,
        severity_parameters=(0,),
        description="no check found anything at or above the severity",
    ),
    NO_VULNERABILITIES: FunctionSpec(
        parameters=(_TEXT,),
        result=_BOOLEAN,
        severity_parameters=(0,),
        description="no vulnerability at or above the severity",
    ),
    NO_CRYPTO: FunctionSpec(
        parameters=(), result=_BOOLEAN, description="no crypto anti-pattern of severity low or above"
    ),
    NO_SECRETS: FunctionSpec(parameters=(), result=_BOOLEAN, description="no secret of severity low or above"),
    CHECK_PASSES: FunctionSpec(
        parameters=(_TEXT,), result=_BOOLEAN, description="the check of this id passes, warns or does not apply"
    ),
    COUNT_FINDINGS: FunctionSpec(
        parameters=(_TEXT, _TEXT),
        result=_NUMBER,
        severity_parameters=(1,),
        description="findings of a check id, or of a rule id or its beginning, at or above the severity",
    ),
    NO_FLAKY_TESTS: FunctionSpec(
        parameters=(), result=_BOOLEAN, description="no test failed and then passed when tried again"
    ),
}

CONTEXT_NAMES: Mapping[str, NameSpec] = {
    "branch": NameSpec(type=_TEXT, description="the git branch, or empty"),
    "event": NameSpec(type=_TEXT, description="what started the run, for example manual"),
    "project_type": NameSpec(type=_TEXT, description="the project file's type"),
    "subject_kind": NameSpec(type=_TEXT, description="what is judged, for example commit"),
    "dirty": NameSpec(type=_BOOLEAN, description="there are uncommitted changes"),
}
"""What a ``when`` condition may read besides facts; policies may not, since a verdict is about the subject."""


def build_vocabulary(
    produced: Mapping[CheckId, tuple[FactSpec, ...]], check_types: Mapping[CheckId, CheckType]
) -> Vocabulary:
    """Return what the policies of a plan may name.

    A fact is ``check.fact``, and ``fact`` alone while one check produces it. A function whose ``producers`` are empty
    can never be answered by this plan: naming it in a policy is an error of the plan.

    Args:
        produced: The facts that each check of the plan promises.
        check_types: The type of each check of the plan.
    """
    names: dict[str, NameSpec] = {}
    bare: dict[str, list[CheckId]] = {}
    for check_id, specs in produced.items():
        for spec in specs:
            names[f"{check_id}.{spec.name}"] = _name(spec, check_id)
            bare.setdefault(spec.name, []).append(check_id)
    ambiguous = {}
    for name, producers in bare.items():
        if name in names:
            continue
        if len(producers) == 1:
            names[name] = names[f"{producers[0]}.{name}"]
        else:
            ambiguous[name] = tuple(f"{producer}.{name}" for producer in producers)
    functions = {
        name: replace(spec, producers=_producers(name, produced, check_types)) for name, spec in _FUNCTIONS.items()
    }
    return Vocabulary(names=names, functions=functions, ambiguous=ambiguous)


def when_vocabulary(vocabulary: Vocabulary) -> Vocabulary:
    """Return what a ``when`` condition may name: the vocabulary and the names of its surroundings."""
    ambiguous = {name: full for name, full in vocabulary.ambiguous.items() if name not in CONTEXT_NAMES}
    return replace(vocabulary, names={**vocabulary.names, **CONTEXT_NAMES}, ambiguous=ambiguous)


def _name(spec: FactSpec, check_id: CheckId) -> NameSpec:
    return NameSpec(type=spec.type, unit=spec.unit, description=spec.description, producers=(check_id,))


def _producers(
    function: str, produced: Mapping[CheckId, tuple[FactSpec, ...]], check_types: Mapping[CheckId, CheckType]
) -> tuple[CheckId, ...]:
    question = FINDING_QUESTIONS.get(function)
    if question is not None:
        return tuple(
            check_id for check_id, specs in produced.items() if any(spec.name == question.marker for spec in specs)
        )
    if function == NO_FLAKY_TESTS:
        return tuple(check_id for check_id, check_type in check_types.items() if check_type == UNIT_TESTS)
    return tuple(check_types)
