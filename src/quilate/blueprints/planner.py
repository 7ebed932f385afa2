"""From project and blueprint to the plan: everything that a run will do, known before anything runs. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from quilate.blueprints.model import Blueprint, BlueprintCheck, BlueprintStage, Plan, PlannedCheck, ProjectFile
from quilate.blueprints.ordering import CheckNeeds, StageNeeds, check_needs, ordered, stage_needs, with_following
from quilate.blueprints.parameters import (
    CheckedParameters,
    checked_binding,
    checked_parameters,
    unknown_binding_keys,
)
from quilate.blueprints.parser import plain_numbers
from quilate.blueprints.reading import Reader
from quilate.blueprints.rules import judge_conditions, judge_policies
from quilate.blueprints.yaml_positions import shown
from quilate.checks.api import Inputs
from quilate.checks.registry import failure_of
from quilate.domain.errors import ConfigurationError, QuilateError
from quilate.domain.ids import CheckId, Digest, StageName
from quilate.domain.nearest import nearest_hint
from quilate.kit.canonical import digest_of, to_document
from quilate.policy.model import VersionedDocument
from quilate.policy.vocabulary import build_vocabulary

DEFAULT_TIMEOUT_SECONDS = 600.0
"""For a check without ``timeout``; ``quilate plan`` prints it."""

PROFILE_ID = "quilate"
PROFILE_VERSION = "2026.1"


def make_plan(
    project: ProjectFile, blueprint: Blueprint, *, only: Iterable[str] = (), from_stage: str | None = None
) -> Plan:
    """Return the plan of a run.

    Args:
        project: Where it runs and what its checks are bound to.
        blueprint: What is asked.
        only: Ids of the only checks to run; the plan is then partial.
        from_stage: The stage to begin at, with all that follow it; the plan is then partial.

    Raises:
        ConfigurationError: One thing does not fit.
        ConfigurationErrors: Several things do not; all of them.
    """
    return _Planner(project, blueprint).plan(tuple(only), from_stage)


class _Planner:
    """Makes one plan and collects errors."""

    def __init__(self, project: ProjectFile, blueprint: Blueprint) -> None:
        self._project = project
        self._blueprint = blueprint
        self._reader = Reader()

    def plan(self, only: tuple[str, ...], from_stage: str | None) -> Plan:
        """Return the plan."""
        blueprint, reader = self._blueprint, self._reader
        self._project_type()
        stages = stage_needs(blueprint, reader)
        needs = check_needs(blueprint, stages, reader) if not reader.errors else {}
        checked = self._parameters()
        self._bindings(checked)
        chosen = self._chosen(only, from_stage, stages) if not reader.errors else frozenset()
        reader.finish()
        everything = self._planned(checked, needs)
        vocabulary = build_vocabulary(
            {check.id: check.produces for check in everything}, {check.id: check.type for check in everything}
        )
        judge_conditions(blueprint, needs, vocabulary, reader)
        evidence = judge_policies(blueprint.policies, blueprint, vocabulary, reader)
        self._plugins(checked)
        reader.finish()
        plan = Plan(
            project=self._project,
            blueprint=blueprint,
            profile=profile_of(checked.values()),
            stages=tuple(self._stage(name) for name in ordered(stages)),
            checks=tuple(check for check in everything if check.id in chosen),
            policies=blueprint.policies,
            vocabulary=vocabulary,
            evidence_needed=evidence,
            partial=bool(only or from_stage),
        )
        return replace(plan, digest=digest_of(_plan_document(plan)))

    def _stage(self, name: StageName) -> BlueprintStage:
        return next(stage for stage in self._blueprint.stages if stage.name == name)

    def _checks(self) -> list[tuple[BlueprintStage, BlueprintCheck]]:
        return [(stage, check) for stage in self._blueprint.stages for check in stage.checks]

    def _project_type(self) -> None:
        types, own = self._blueprint.project_types, self._project.type
        if not types or own in types or self._project.detected:
            return
        self._reader.report(
            f"the blueprint {self._blueprint.document.id} is for {', '.join(types)}; this project's type is {own!r}"
            f"{nearest_hint(own, types)}",
            self._project.positions.get("type"),
            "change `type` or `blueprint` in quilate.yaml",
        )

    def _parameters(self) -> dict[CheckId, CheckedParameters]:
        found = {}
        for _, check in self._checks():
            checked, errors = checked_parameters(check)
            for error in errors:
                self._reader.adopt(error)
            if checked is not None:
                found[check.id] = checked
        return found

    def _plugins(self, checked: Mapping[CheckId, CheckedParameters]) -> None:
        """Where something reads what is not there, say which plugins are broken: that may be why."""
        if self._reader.errors:
            for name, each in checked.items():
                if failure_of(each.check):
                    message = f"{name}: the plugin that brings {each.check.type} is broken: {failure_of(each.check)}"
                    self._reader.report(message, None, "`quilate plugin list` shows it")

    def _bindings(self, checked: Mapping[CheckId, CheckedParameters]) -> None:
        """Report bindings of unknown checks and keys that a binding does not have."""
        names = [check.id for _, check in self._checks()]
        positions = self._project.binding_positions
        for name, raw in self._project.bindings.items():
            if name not in names:
                message = f"quilate.yaml binds the unknown check {shown(name)!r}{nearest_hint(name[:100], names)}"
                step = f"checks of {self._blueprint.document.id}: {', '.join(names)}"
                self._reader.report(message, positions.get(name), step)
            elif CheckId(name) in checked:
                for error in unknown_binding_keys(name, checked[CheckId(name)].check, raw, positions):
                    self._reader.adopt(error)

    def _chosen(self, only: tuple[str, ...], from_stage: str | None, stages: StageNeeds) -> frozenset[CheckId]:
        chosen = {check.id for _, check in self._checks()}
        if from_stage:
            names = list(stages)
            if from_stage not in names:
                message = f"there is no stage {shown(from_stage)!r}{nearest_hint(from_stage[:100], names)}"
                self._reader.report(message, None, f"stages: {', '.join(names)}")
                return frozenset()
            following = with_following(StageName(from_stage), stages)
            chosen = {check.id for stage, check in self._checks() if stage.name in following}
        for name in only:
            if name not in chosen:
                where = f" from stage {from_stage} on" if from_stage else ""
                message = f"there is no check {shown(name)!r}{where}{nearest_hint(name[:100], chosen)}"
                self._reader.report(message, None, f"checks: {', '.join(sorted(chosen))}")
        return frozenset(chosen & {CheckId(name) for name in only} if only else chosen)

    def _planned(self, checked: Mapping[CheckId, CheckedParameters], needs: CheckNeeds) -> list[PlannedCheck]:
        by_id = {check.id: (stage, check) for stage, check in self._checks()}
        return [self._planned_check(*by_id[name], checked[name], needs[name]) for name in ordered(needs)]

    def _planned_check(
        self, stage: BlueprintStage, check: BlueprintCheck, checked: CheckedParameters, needs: tuple[CheckId, ...]
    ) -> PlannedCheck:
        kind, parameters = checked.check, checked.parameters
        raw = self._project.bindings.get(check.id, {})
        binding, error = checked_binding(check.id, kind, raw, self._project.binding_positions)
        inputs = Inputs()
        if error is None:
            try:
                inputs = kind.inputs(parameters, binding)
            except QuilateError as refused:
                position = refused.position or self._project.binding_positions.get(check.id)
                error = ConfigurationError(refused.message, next_step=refused.next_step, position=position)
        return PlannedCheck(
            id=check.id,
            type=check.type,
            version=kind.version,
            stage=stage.name,
            required=check.required,
            queue=kind.queue,
            isolation=kind.isolation,
            parameters=parameters,
            binding=binding if error is None else None,
            severity_threshold=checked.severity_threshold,
            inputs=inputs,
            produces=kind.produces(parameters),
            needs=needs,
            when=tuple(text for text in (stage.when, check.when) if text),
            effects=check.effects or stage.effects,
            timeout_seconds=check.timeout_seconds or DEFAULT_TIMEOUT_SECONDS,
            retries=check.retries,
            severity=check.severity,
            enforce_from=check.enforce_from,
            fresh_for_seconds=check.fresh_for_seconds,
            binding_error=error,
            from_profile=checked.from_profile,
        )


def profile_of(checked: Iterable[CheckedParameters]) -> VersionedDocument:
    """Return the shipped profile with the digest over the sections of the check types in use."""
    sections = {each.check.type: plain_numbers(dict(each.check.profile)) for each in checked}
    return VersionedDocument(id=PROFILE_ID, version=PROFILE_VERSION, digest=Digest(digest_of(sections)))


def _plan_document(plan: Plan) -> dict[str, Any]:
    """Return all that makes two plans the same; neither places nor the machine's paths are in it."""
    return {
        "project": plan.project.project,
        "type": plan.project.type,
        "blueprint": to_document(plan.blueprint.document),
        "profile": to_document(plan.profile),
        "partial": plan.partial,
        "checks": [_check_document(check) for check in plan.checks],
        "policies": [to_document(replace(policy, line=0)) for policy in plan.policies],
        "evidence_needed": {name: list(texts) for name, texts in plan.evidence_needed.items()},
    }


def _check_document(check: PlannedCheck) -> dict[str, Any]:
    error: ConfigurationError | None = check.binding_error
    document = {
        "id": check.id,
        "type": check.type,
        "version": check.version,
        "stage": check.stage,
        "required": check.required,
        "parameters": plain_numbers(to_document(check.parameters)),
        "severity_threshold": check.severity_threshold,
        "binding": to_document(check.binding),
        "binding_error": error.message if error else "",
        "needs": check.needs,
        "when": check.when,
        "effects": check.effects,
        "timeout_seconds": check.timeout_seconds,
        "retries": check.retries,
        "severity": check.severity,
        "enforce_from": check.enforce_from,
        "fresh_for_seconds": check.fresh_for_seconds,
        "from_profile": check.from_profile,
    }
    return dict(to_document(document))
