"""A blueprint's YAML, after ``extends``, to the blueprint."""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from quilate.blueprints.layers import BLUEPRINT_KEYS, CHECK_KEYS, STAGE_KEYS
from quilate.blueprints.model import Blueprint, BlueprintCheck, BlueprintStage
from quilate.blueprints.parameters import checked_parameters
from quilate.blueprints.reading import Reader, places, present
from quilate.blueprints.yaml_positions import LocatedText, Node, Table, plain, shown
from quilate.checks.registry import check_types, is_check_type
from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.domain.ids import CheckId, CheckType, Digest, StageName
from quilate.domain.nearest import nearest_hint
from quilate.domain.severity import Severity
from quilate.kit.canonical import decimal_text, digest_of, to_document
from quilate.policy.language import PolicyError, PolicyErrors, parse
from quilate.policy.model import Binding, PolicyEngine, PolicyRule, VersionedDocument

MAX_RETRIES = 10
MAX_STAGES = 100
MAX_CHECKS = 1000
MAX_REGO_CHARACTERS = 256 << 10


def parse_blueprint(top: Table, reader: Reader, source: str) -> Blueprint:
    """Return the blueprint that merged and normalised layers describe. ``source`` is the reference it came from.

    Raises:
        ConfigurationError: One thing is wrong, in ``top`` or already in ``reader``.
        ConfigurationErrors: Several are; all of them.
    """
    return _BlueprintParser(top, reader, source).run()


class _BlueprintParser:
    """Walks one document and collects errors."""

    def __init__(self, top: Table, reader: Reader, source: str) -> None:
        self._top = top
        self._reader = reader
        self._source = source
        self._texts: dict[str, LocatedText] = {}

    def run(self) -> Blueprint:
        """Return the blueprint."""
        top, reader = self._top, self._reader
        reader.known_keys(top, BLUEPRINT_KEYS, "a blueprint")
        identifier = reader.name(top, "id", "the blueprint")
        version = reader.label(top, "version", "the blueprint")
        description = reader.text(top, "description")
        project_types = tuple(text for text, _ in reader.texts(top, "project_types"))
        stages = self._stages()
        policies = self._policies()
        key, supersede = self._concurrency()
        need_approval = self._waivers()
        reader.finish()
        blueprint = Blueprint(
            document=VersionedDocument(id=identifier, version=version, digest=Digest("")),
            project_types=project_types,
            stages=tuple(stages),
            policies=policies,
            description=description,
            waivers_need_approval=need_approval,
            concurrency_key=key,
            supersede=supersede,
            source=self._source,
            texts=self._texts,
        )
        return _with_digest(blueprint)

    def _stages(self) -> list[BlueprintStage]:
        nodes = self._reader.items(self._top, "stages")
        if not nodes and not self._reader.errors:
            self._reader.report("a blueprint needs at least one stage", self._top.position)
        stages = []
        names: dict[str, SourcePosition] = {}
        checks: dict[str, SourcePosition] = {}
        for node in nodes:
            if not isinstance(node, Table):
                continue
            stage = self._stage(node, checks)
            self._unique(names, stage.name, node, "name", "stage")
            stages.append(stage)
        if len(stages) > MAX_STAGES or len(checks) > MAX_CHECKS:
            self._reader.report(
                f"a blueprint has at most {MAX_STAGES} stages and {MAX_CHECKS} checks", self._top.keys.get("stages")
            )
        return stages

    def _unique(self, seen: dict[str, SourcePosition], name: str, node: Table, key: str, what: str) -> None:
        if not name:
            return
        position = node.keys.get(key, node.position)
        if name in seen:
            first = seen[name]
            place = f"line {first.line}" if first.path == position.path else str(first)
            self._reader.report(f"the {what} {name!r} is there twice; the other stands in {place}", position)
        seen.setdefault(name, position)

    def _stage(self, node: Table, seen: dict[str, SourcePosition]) -> BlueprintStage:
        reader = self._reader
        reader.known_keys(node, STAGE_KEYS, "a stage")
        name = reader.name(node, "name", "a stage")
        effects = reader.flag(node, "effects", default=False)
        nodes = reader.items(node, "checks")
        if not nodes:
            reader.report(f"the stage {name!r} has no checks", node.position)
        checks = []
        for item in nodes:
            if not isinstance(item, Table):
                continue
            check = self._check(item, effects=effects)
            self._unique(seen, check.id, item, "id", "check")
            checks.append(check)
        needs = reader.texts(node, "needs")
        return BlueprintStage(
            name=StageName(name),
            checks=tuple(checks),
            description=reader.text(node, "description"),
            needs=tuple(StageName(text) for text, _ in needs) if present(node, "needs") is not None else None,
            when=self._condition(node, f"stage {name}"),
            effects=effects,
            position=node.position,
            needs_positions=dict(needs),
        )

    def _check(self, node: Table, *, effects: bool) -> BlueprintCheck:
        reader = self._reader
        identifier = reader.name(node, "id", "a check")
        check_type = self._type(node)
        parameters = node.entries["params"]
        assert isinstance(parameters, Table)  # noqa: S101 - what normalised_layer leaves, told to the type checker
        severity = reader.choice(node, "severity", tuple(Severity), "")
        needs = reader.texts(node, "needs")
        check = BlueprintCheck(
            id=CheckId(identifier),
            type=CheckType(check_type),
            required=reader.flag(node, "required", default=True),
            parameters=plain(parameters),
            needs=tuple(CheckId(text) for text, _ in needs),
            when=self._condition(node, f"check {identifier}"),
            timeout_seconds=reader.seconds(node, "timeout"),
            retries=reader.whole(node, "retries", default=0, maximum=MAX_RETRIES),
            severity=Severity(severity) if severity else None,
            enforce_from=reader.day(node, "enforce_from"),
            fresh_for_seconds=reader.seconds(node, "fresh_for"),
            effects=reader.flag(node, "effects", default=effects),
            position=node.position,
            parameter_positions=places(parameters),
            needs_positions=dict(needs),
        )
        if check_type:
            _, errors = checked_parameters(check)
            for error in errors:
                reader.adopt(error)
        return check

    def _type(self, node: Table) -> str:
        if present(node, "type") is None:
            hint = nearest_hint("type", (key for key in node.keys if key not in CHECK_KEYS))
            self._reader.report(f"a check lacks type{hint}", node.position, "`quilate check list` shows all types")
            return ""
        text = self._reader.text(node, "type")
        if text and not is_check_type(text):
            message = f"unknown check type {shown(text)!r}{nearest_hint(text[:100], check_types())}"
            self._reader.report(message, node.entries["type"].position, "`quilate check list` shows all types")
            return ""
        return text

    def _condition(self, node: Table, owner: str) -> str:
        located = self._reader.located_text(node, "when")
        if located is None:
            return ""
        self._parsed(located)
        self._texts[f"{owner} when"] = located
        return located.text

    def _parsed(self, located: LocatedText) -> None:
        try:
            parse(located.text)
        except ConfigurationError as error:
            for each in policy_errors(error, located):
                self._reader.adopt(each)

    def _policies(self) -> tuple[PolicyRule, ...]:
        rules = []
        table = self._reader.table(self._top, "policies")
        for name, node in table.entries.items() if table else ():
            rule = self._policy(name, node, None)
            rules += [rule] if rule else []
        for stage in self._reader.items(self._top, "stages"):
            node_of_policy = present(stage, "policy") if isinstance(stage, Table) else None
            if node_of_policy is not None and isinstance(stage, Table):
                name = self._reader.text(stage, "name")
                rule = self._policy(f"stage.{name}", node_of_policy, StageName(name))
                rules += [rule] if rule else []
        return tuple(rules)

    def _policy(self, name: str, node: Node, stage: StageName | None) -> PolicyRule | None:
        reader = self._reader
        policy = reader.as_table(node, f"the policy {shown(name)}")
        if policy is None:
            return None
        located = reader.located_text(policy, "rule")
        if located is None:
            if present(policy, "rule") is None:
                reader.report(f"the policy {shown(name)} lacks a rule", policy.position)
            return None
        engine = PolicyEngine(reader.choice(policy, "engine", tuple(PolicyEngine), PolicyEngine.QUILATE))
        binds_on = Binding(reader.choice(policy, "binds_on", tuple(Binding), Binding.ALL))
        if engine is PolicyEngine.QUILATE:
            self._parsed(located)
        elif len(located.text) > MAX_REGO_CHARACTERS:
            reader.report(f"the Rego module is longer than {MAX_REGO_CHARACTERS >> 10} KiB", policy.position)
        self._texts[f"policy {name}"] = located
        line = policy.keys.get("rule", policy.position).line
        return PolicyRule(name=name, rule=located.text, engine=engine, stage=stage, binds_on=binds_on, line=line)

    def _concurrency(self) -> tuple[str, bool]:
        table = self._reader.table(self._top, "concurrency")
        if table is None:
            return "", False
        self._reader.known_keys(table, ("key", "supersede"), "concurrency")
        key = self._reader.text(table, "key")
        if not key:
            self._reader.report("concurrency lacks key", table.position, "for example `key: branch`")
        return key, self._reader.flag(table, "supersede", default=False)

    def _waivers(self) -> bool:
        table = self._reader.table(self._top, "waivers")
        if table is None:
            return False
        self._reader.known_keys(table, ("approval",), "waivers")
        return self._reader.choice(table, "approval", ("required", "optional"), "optional") == "required"


def policy_errors(error: ConfigurationError, located: LocatedText) -> tuple[ConfigurationError, ...]:
    """Return the errors of a rule with their places in the file."""
    errors = error.errors if isinstance(error, PolicyErrors) else (error,)
    for each in errors:
        if isinstance(each, PolicyError):
            each.position = located.at(each.start)
    return errors


def blueprint_document(blueprint: Blueprint) -> dict[str, Any]:
    """Return a blueprint's whole meaning as plain JSON types: what its digest covers. Places are left out."""
    document: dict[str, Any] = to_document(
        {
            "id": blueprint.document.id,
            "version": blueprint.document.version,
            "description": blueprint.description,
            "project_types": blueprint.project_types,
            "waivers_need_approval": blueprint.waivers_need_approval,
            "concurrency": {"key": blueprint.concurrency_key, "supersede": blueprint.supersede},
            "stages": [_stage_document(stage) for stage in blueprint.stages],
            "policies": [
                {
                    "name": policy.name,
                    "rule": policy.rule,
                    "engine": policy.engine,
                    "stage": policy.stage,
                    "binds_on": policy.binds_on,
                }
                for policy in blueprint.policies
            ],
        }
    )
    return document


def _stage_document(stage: BlueprintStage) -> dict[str, Any]:
    return {
        "name": stage.name,
        "description": stage.description,
        "needs": stage.needs,
        "when": stage.when,
        "effects": stage.effects,
        "checks": [_check_document(check) for check in stage.checks],
    }


def _check_document(check: BlueprintCheck) -> dict[str, Any]:
    return {
        "id": check.id,
        "type": check.type,
        "required": check.required,
        "parameters": plain_numbers(check.parameters),
        "needs": check.needs,
        "when": check.when,
        "timeout_seconds": check.timeout_seconds,
        "retries": check.retries,
        "severity": check.severity,
        "enforce_from": check.enforce_from,
        "fresh_for_seconds": check.fresh_for_seconds,
        "effects": check.effects,
    }


def plain_numbers(value: Any) -> Any:
    """Return raw parameters with every decimal in its shortest spelling: ``0.80`` and ``0.8`` mean the same."""
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, Mapping):
        return {key: plain_numbers(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_numbers(item) for item in value]
    return value


def _with_digest(blueprint: Blueprint) -> Blueprint:
    digest = Digest(digest_of(blueprint_document(blueprint)))
    return replace(blueprint, document=replace(blueprint.document, digest=digest))
