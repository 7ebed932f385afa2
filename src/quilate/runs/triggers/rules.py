"""Which rule an event matches: conditions in the policy language over its facts, and patterns beside them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import translate

from quilate.domain.errors import ConfigurationError
from quilate.evidence.model import FactType
from quilate.policy.language.checker import check
from quilate.policy.language.evaluator import evaluate
from quilate.policy.language.parser import parse
from quilate.policy.language.syntax import Expression
from quilate.policy.model import NameSpec, Truth, Value, Vocabulary
from quilate.runs.triggers.model import EventFacts, RuleList, TriggerRule

_TEXT, _BOOLEAN = FactType.TEXT, FactType.BOOLEAN

FACTS: Mapping[str, NameSpec] = {
    "kind": NameSpec(type=_TEXT, description="push, pull_request, tag, release, merge_group, model_version, …"),
    "provider": NameSpec(type=_TEXT, description="github, gitlab, bitbucket, gitea, mlflow, cloudevents, quilate"),
    "type": NameSpec(type=_TEXT, description="the provider's own name of the event"),
    "action": NameSpec(type=_TEXT, description="opened, updated, reopened, closed, created, pushed, …"),
    "repository": NameSpec(type=_TEXT, description="full name at the provider"),
    "branch": NameSpec(type=_TEXT, description="the branch of the commit"),
    "base_branch": NameSpec(type=_TEXT, description="the branch that a request wants to be merged into"),
    "protected_branch": NameSpec(type=_TEXT, description="the project's protected branch"),
    "tag": NameSpec(type=_TEXT, description="the tag, for tags and releases"),
    "subject": NameSpec(type=_TEXT, description="name of the dataset or model, or the CloudEvents subject"),
    "sender": NameSpec(type=_TEXT, description="who caused it, at the provider"),
    "from_fork": NameSpec(type=_BOOLEAN, description="the commit comes from another repository"),
    "forced": NameSpec(type=_BOOLEAN, description="the branch was moved to a commit that does not follow"),
}
"""What a condition may name."""

PATTERN_FACTS = tuple(name for name, spec in FACTS.items() if spec.type is FactType.TEXT)
MOST_RULES = 100

_VOCABULARY = Vocabulary(names=FACTS)

BUILT_IN = RuleList(
    rules=(
        TriggerRule(
            name="pull-requests",
            when='kind == "pull_request" and action in ("opened", "updated", "reopened")',
            priority=10,
        ),
        TriggerRule(name="merge-queue", when='kind == "merge_group" and action == "checks_requested"', priority=20),
        TriggerRule(name="protected-branch", when='kind == "push" and branch == protected_branch'),
        TriggerRule(name="tags", when='kind == "tag"'),
        TriggerRule(name="dataset-versions", when='kind == "dataset_version"', supersede=False),
        TriggerRule(name="model-versions", when='kind == "model_version"', supersede=False),
    )
)
"""What counts in a project that has no rules of its own."""


class _Facts:
    """An event as the language's environment."""

    def __init__(self, values: Mapping[str, str | bool]) -> None:
        self._values = values

    def fact(self, name: str) -> Value:
        """Return the value of a name."""
        value = self._values.get(name)
        return Value(type=_BOOLEAN if isinstance(value, bool) else _TEXT, value=value)

    def call(self, function: str, arguments: tuple[Value, ...]) -> Value:
        """There are no functions; the checker has refused them."""
        del arguments
        return Value(type=_BOOLEAN, value=None, reason=f"there is no function {function}")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ready:
    rule: TriggerRule
    condition: Expression | None
    patterns: tuple[tuple[str, tuple[re.Pattern[str], ...]], ...]

    def matches(self, values: Mapping[str, str | bool], environment: _Facts) -> bool:
        for name, patterns in self.patterns:
            if not any(pattern.match(str(values[name])) for pattern in patterns):
                return False
        return self.condition is None or evaluate(self.condition, environment).truth is Truth.TRUE


class RuleMatcher:
    """Rules, read once.

    Args:
        rules: In the order in which they are asked.

    Raises:
        ConfigurationError: A condition or pattern makes no sense.
    """

    def __init__(self, rules: Sequence[TriggerRule]) -> None:
        self._ready = [_prepared(rule) for rule in rules if rule.enabled]

    def match(self, facts: EventFacts, *, protected_branch: str) -> TriggerRule | None:
        """Return the first rule that an event matches."""
        values = values_of(facts, protected_branch=protected_branch)
        environment = _Facts(values)
        return next((ready.rule for ready in self._ready if ready.matches(values, environment)), None)


def values_of(facts: EventFacts, *, protected_branch: str) -> dict[str, str | bool]:
    """Return what conditions read of an event."""
    values: dict[str, str | bool] = {
        name: getattr(facts, name) for name in FACTS if name not in {"kind", "protected_branch"}
    }
    return {**values, "kind": facts.kind.value, "protected_branch": protected_branch}


def require_sound(rule: TriggerRule) -> None:
    """Refuse a rule whose condition or patterns make no sense.

    Raises:
        ConfigurationError: They do not.
    """
    _prepared(rule)


def _prepared(rule: TriggerRule) -> _Ready:
    unknown = [name for name in rule.match if name not in PATTERN_FACTS]
    if unknown:
        raise ConfigurationError(
            f"patterns cannot be about {unknown[0][:60]!r}", next_step=f"name one of {', '.join(PATTERN_FACTS)}"
        )
    condition = None
    if rule.when.strip():
        condition = parse(rule.when)
        check(condition, _VOCABULARY)
    patterns = tuple(
        (name, tuple(re.compile(translate(pattern)) for pattern in listed)) for name, listed in rule.match.items()
    )
    return _Ready(rule=rule, condition=condition, patterns=patterns)
