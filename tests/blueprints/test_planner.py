"""The plan: order, limits with their origin, bindings, rules against facts, partial plans (C02, C04, C11, C19)."""

from pathlib import Path
from typing import Any

import pytest

from quilate.blueprints.model import Plan, ProjectFile
from quilate.blueprints.planner import make_plan
from quilate.blueprints.references import builtin_names, load_blueprint, parse_blueprint_text
from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition

ROOT = Path("/nowhere")


def project(**changes: Any) -> ProjectFile:
    values: dict[str, Any] = {"project": "p", "type": "ds", "blueprint": "b", "root": "/nowhere"}
    return ProjectFile(**(values | changes))


def plan_text(text: str, owner: ProjectFile | None = None, **options: Any) -> Plan:
    return make_plan(owner or project(), parse_blueprint_text(text.encode(), "b.yaml", ROOT), **options)


def errors_of(text: str, owner: ProjectFile | None = None, **options: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        plan_text(text, owner, **options)
    error = caught.value
    return [str(each) for each in (error.errors if isinstance(error, ConfigurationErrors) else (error,))]


LINEAR = """\
id: b
version: 1
stages:
  - name: one
    checks:
      - {id: lint, type: CODE_LINT}
      - {id: tests, type: UNIT_TESTS, needs: [lint], min_coverage: 0.5}
  - name: two
    checks:
      - {id: sast, type: SAST}
  - name: three
    needs: [one]
    effects: true
    checks:
      - {id: publish, type: COMMAND, argv: [make, publish], timeout: 30m}
policies:
  approval: all_required_checks_pass and coverage >= 0.8
"""


@pytest.mark.parametrize("name", builtin_names())
def test_every_built_in_blueprint_plans_on_a_minimal_project(name: str) -> None:
    blueprint = load_blueprint(name, ROOT)
    plan = make_plan(project(type=blueprint.project_types[0]), blueprint)
    assert blueprint.document.id == name
    assert blueprint.stages[0].description
    assert len(plan.checks) == sum(len(stage.checks) for stage in blueprint.stages)
    assert set(plan.evidence_needed) == {"approval"}
    assert any(text.startswith("all_required_checks_pass") for text in plan.evidence_needed["approval"])


def test_a_stage_follows_the_one_before_it_and_checks_their_needs() -> None:
    plan = plan_text(LINEAR)
    needs = {check.id: check.needs for check in plan.checks}
    assert needs == {"lint": (), "tests": ("lint",), "sast": ("lint", "tests"), "publish": ("lint", "tests")}
    publish = plan.checks[-1]
    assert publish.effects
    assert publish.timeout_seconds == 1800.0
    assert plan.checks[0].timeout_seconds == 600.0


def test_limits_say_where_they_come_from() -> None:
    tests = plan_text(LINEAR.replace("min_coverage: 0.5", "min_coverage: 0.8")).checks[1]
    assert str(tests.parameters.min_coverage) == "0.8"
    assert "min_coverage" not in tests.from_profile
    assert "severity_threshold" in tests.from_profile


def test_a_policy_knows_its_evidence() -> None:
    needed = plan_text(LINEAR).evidence_needed["approval"]
    assert needed == ("coverage from tests", "all_required_checks_pass from lint, tests, sast, publish")


def test_the_digest_changes_with_what_decides_and_not_with_the_machine() -> None:
    plan = plan_text(LINEAR)
    assert plan.digest == plan_text(LINEAR, project(root="/elsewhere")).digest
    assert plan.digest != plan_text(LINEAR.replace("0.5", "0.6")).digest
    assert plan.digest != plan_text(LINEAR, project(bindings={"lint": {"paths": ["src"]}})).digest


def test_cycles_are_named() -> None:
    stages = LINEAR.replace("needs: [one]", "needs: [four]") + "  \n"
    stages = stages.replace(
        "policies:", "  - name: four\n    needs: [three]\n    checks: [{id: format, type: CODE_FORMAT}]\npolicies:"
    )
    assert errors_of(stages) == ["b.yaml:11:5: stages need each other: three → four → three"]
    checks = LINEAR.replace("{id: lint, type: CODE_LINT}", "{id: lint, type: CODE_LINT, needs: [sast]}")
    assert errors_of(checks) == ["b.yaml:6:9: checks need each other: lint → sast → lint"]
    itself = LINEAR.replace("{id: lint, type: CODE_LINT}", "{id: lint, type: CODE_LINT, needs: [lint]}")
    assert errors_of(itself) == ["b.yaml:6:9: checks need each other: lint → lint"]


def test_unknown_needs_name_the_nearest() -> None:
    assert errors_of(LINEAR.replace("needs: [lint]", "needs: [lintt]")) == [
        "b.yaml:7:47: tests needs the unknown check 'lintt', did you mean 'lint'?"
    ]
    assert errors_of(LINEAR.replace("needs: [one]", "needs: [onee]")) == [
        "b.yaml:12:13: the stage 'three' needs the unknown stage 'onee', did you mean 'one'?"
    ]


def test_a_rule_that_nobody_can_answer_is_an_error_of_the_plan() -> None:
    assert errors_of(LINEAR.replace("coverage >=", "coverag >=")) == [
        "b.yaml:17:42: no check produces `coverag`, and there is no such function, did you mean `coverage`?"
    ]
    secrets = LINEAR.replace("coverage >= 0.8", "no_secrets_detected")
    assert errors_of(secrets) == ["b.yaml:17:42: no check of this blueprint answers `no_secrets_detected`"]
    missing = LINEAR.replace("coverage >= 0.8", 'check_passes("test")')
    assert errors_of(missing) == ["b.yaml:17:55: there is no check 'test', did you mean 'tests'?"]
    ambiguous = LINEAR.replace("coverage >= 0.8", "files_analysed > 0")
    assert "several checks produce `files_analysed`" in errors_of(ambiguous)[0]


def test_a_condition_may_only_read_what_is_known_by_then() -> None:
    late = LINEAR.replace("{id: lint, type: CODE_LINT}", "{id: lint, type: CODE_LINT, when: coverage > 0.5}")
    assert errors_of(late) == ["b.yaml:6:43: `when` of lint reads coverage, which tests measures no earlier than it"]
    early = LINEAR.replace(
        "{id: sast, type: SAST}", '{id: sast, type: SAST, when: coverage > 0.5 and branch == "main"}'
    )
    assert plan_text(early).checks[2].when == ('coverage > 0.5 and branch == "main"',)


def test_a_missing_binding_is_the_checks_error_not_the_plans() -> None:
    text = "id: b\nversion: 1\nstages:\n  - name: s\n    checks:\n      - {id: metrics, type: MODEL_METRICS}\n"
    (check,) = plan_text(text).checks
    assert check.binding is None
    assert check.binding_error is not None
    assert check.binding_error.message == "metrics is not bound: quilate.yaml lacks predictions"
    assert "`metrics: {predictions: …}`" in check.binding_error.next_step
    position = SourcePosition(path="quilate.yaml", line=5, column=5)
    wrong = project(
        bindings={"metrics": {"predictions": ["a", "b"]}}, binding_positions={"metrics.predictions": position}
    )
    (check,) = plan_text(text, wrong).checks
    assert check.binding_error is not None
    assert check.binding_error.position == position
    (check,) = plan_text(text, project(bindings={"metrics": {"predictions": "p.csv"}})).checks
    assert check.binding_error is None
    assert check.binding.predictions == "p.csv"
    assert check.inputs.files == ("p.csv",)


def test_unknown_bindings_are_errors_of_the_plan() -> None:
    at = {
        "lnit": SourcePosition(path="quilate.yaml", line=4, column=3),
        "lint.path": SourcePosition(path="quilate.yaml", line=6, column=5),
    }
    owner = project(bindings={"lnit": {}, "lint": {"path": "src"}}, binding_positions=at)
    assert errors_of(LINEAR, owner) == [
        "quilate.yaml:4:3: quilate.yaml binds the unknown check 'lnit', did you mean 'lint'?",
        "quilate.yaml:6:5: the binding of lint (CODE_LINT) has no key 'path', did you mean 'paths'?",
    ]


def test_partial_plans() -> None:
    only = plan_text(LINEAR, only=["sast"])
    assert ([check.id for check in only.checks], only.partial) == (["sast"], True)
    tail = plan_text(LINEAR, from_stage="two")
    assert ([check.id for check in tail.checks], tail.partial) == (["sast"], True)
    whole = plan_text(LINEAR, from_stage="one")
    assert len(whole.checks) == 4
    assert whole.partial
    assert errors_of(LINEAR, only=["sats"]) == ["there is no check 'sats', did you mean 'sast'?"]
    assert errors_of(LINEAR, from_stage="tow") == ["there is no stage 'tow', did you mean 'two'?"]


def test_the_project_type_must_fit() -> None:
    text = LINEAR.replace("version: 1", "version: 1\nproject_types: [library]")
    (error,) = errors_of(text)
    assert error == "the blueprint b is for library; this project's type is 'ds'"
    assert plan_text(text, project(detected=True)).checks


def test_the_largest_blueprint_is_planned_and_a_larger_one_refused() -> None:
    def text(checks: int) -> str:
        lines = "".join(f"      - {{id: c{number}, type: SAST}}\n" for number in range(checks))
        late = lines.replace("id: c", "id: d")
        return f"id: b\nversion: 1\nstages:\n  - name: s\n    checks:\n{lines}  - name: t\n    checks:\n{late}"

    assert len(plan_text(text(500)).checks) == 1000
    assert errors_of(text(501)) == ["b.yaml:3:1: a blueprint has at most 100 stages and 1000 checks"]
