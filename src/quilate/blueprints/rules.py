"""The rules and conditions of a blueprint against the facts that its checks produce."""

from collections.abc import Iterable, Mapping

from quilate.blueprints.model import Blueprint
from quilate.blueprints.ordering import CheckNeeds, all_before
from quilate.blueprints.parser import policy_errors
from quilate.blueprints.reading import Reader
from quilate.blueprints.yaml_positions import LocatedText, shown
from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.domain.ids import CheckId
from quilate.domain.nearest import nearest_hint
from quilate.policy.language import Expression, check, names_read, parse
from quilate.policy.language.syntax import Call, Literal, Name, Node
from quilate.policy.model import PolicyEngine, PolicyRule, Vocabulary
from quilate.policy.vocabulary import CHECK_PASSES, when_vocabulary

WHOLE_DOCUMENT = "the whole evidence document (Rego)"


def judge_policies(
    policies: Iterable[PolicyRule], blueprint: Blueprint, vocabulary: Vocabulary, reader: Reader
) -> Mapping[str, tuple[str, ...]]:
    """Report every rule that makes no sense; return what each policy reads and which checks that comes from."""
    needed: dict[str, tuple[str, ...]] = {}
    for policy in policies:
        if policy.engine is PolicyEngine.REGO:
            needed[policy.name] = (WHOLE_DOCUMENT,)
            continue
        located = blueprint.texts.get(f"policy {policy.name}") or _at_line(policy, blueprint)
        expression = _judged(located, vocabulary, reader)
        if expression is not None:
            needed[policy.name] = evidence_of(expression, vocabulary)
    return needed


def evidence_of(expression: Expression, vocabulary: Vocabulary) -> tuple[str, ...]:
    """Return each fact and function that a rule reads with the checks behind it, for people."""
    return tuple(
        f"{name} from {', '.join(producers)}" if producers else name
        for name, producers in _producers(expression, vocabulary).items()
    )


def _producers(expression: Expression, vocabulary: Vocabulary) -> dict[str, tuple[CheckId, ...]]:
    read = names_read(expression, vocabulary)
    found = {name: vocabulary.names[name].producers for name in read.facts if name in vocabulary.names}
    found |= {name: vocabulary.functions[name].producers for name in read.functions if name in vocabulary.functions}
    return found


def judge_conditions(blueprint: Blueprint, needs: CheckNeeds, vocabulary: Vocabulary, reader: Reader) -> None:
    """Report every ``when`` that makes no sense, or that reads what is not known yet when it is asked."""
    readable = when_vocabulary(vocabulary)
    for stage in blueprint.stages:
        if stage.when:
            located = blueprint.texts.get(f"stage {stage.name} when") or _unplaced(stage.when, stage.position)
            before = frozenset.intersection(*(all_before(one.id, needs) for one in stage.checks))
            _judge_condition(located, f"the stage {stage.name}", before, readable, reader)
        for one in stage.checks:
            if one.when:
                located = blueprint.texts.get(f"check {one.id} when") or _unplaced(one.when, one.position)
                _judge_condition(located, one.id, all_before(one.id, needs), readable, reader)


def _judge_condition(
    located: LocatedText, owner: str, before: frozenset[CheckId], vocabulary: Vocabulary, reader: Reader
) -> None:
    expression = _judged(located, vocabulary, reader)
    if expression is None:
        return
    for name, producers in _producers(expression, vocabulary).items():
        late = [producer for producer in producers if producer not in before]
        # A function over many checks counts those that have ended; a fact of a later check is never known in time.
        if late and name in vocabulary.names and len(late) == len(producers):
            reader.report(
                f"`when` of {owner} reads {name}, which {', '.join(late)} measures no earlier than it",
                located.at(0),
                f"let it need {late[0]}, or move it to a later stage",
            )


def _judged(located: LocatedText, vocabulary: Vocabulary, reader: Reader) -> Expression | None:
    try:
        expression = parse(located.text)
        check(expression, vocabulary)
    except ConfigurationError as error:
        for each in policy_errors(error, located):
            reader.adopt(each)
        return None
    unanswered = len(reader.errors)
    _report_unanswerable(expression, located, vocabulary, reader)
    return expression if len(reader.errors) == unanswered else None


def _report_unanswerable(expression: Expression, located: LocatedText, vocabulary: Vocabulary, reader: Reader) -> None:
    """Report functions that no check of the plan can answer, and checks named in quotes that there are not."""
    for node in expression.nodes():
        name = node.function if isinstance(node, Call) else node.name if isinstance(node, Name) else ""
        function = vocabulary.functions.get(name) if name not in vocabulary.names else None
        if function is not None and not function.producers:
            step = "add a check that does, or take the clause out"
            reader.report(f"no check of this blueprint answers `{name}`", located.at(node.start), step)
        if isinstance(node, Call) and name == CHECK_PASSES:
            _report_unknown_check(node.arguments[0], located, vocabulary.functions[CHECK_PASSES].producers, reader)


def _report_unknown_check(argument: Node, located: LocatedText, check_ids: tuple[CheckId, ...], reader: Reader) -> None:
    if isinstance(argument, Literal) and argument.value not in check_ids:
        text = str(argument.value)
        message = f"there is no check {shown(text)!r}{nearest_hint(text[:100], check_ids)}"
        reader.report(message, located.at(argument.start))


def _at_line(policy: PolicyRule, blueprint: Blueprint) -> LocatedText:
    return _unplaced(policy.rule, SourcePosition(path=blueprint.source, line=max(policy.line, 1)))


def _unplaced(text: str, position: SourcePosition) -> LocatedText:
    return LocatedText(text=text, segments=((0, position),))
