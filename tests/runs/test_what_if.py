"""``quilate plan`` replays the last runs under the plan and knows what is cached (C02)."""

from pathlib import Path

from tests.support.projects import lint_project, quilate


def test_plan_replays_runs_under_a_changed_policy_and_names_cached_checks(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", "import os\n")
    assert quilate(project, "run").code == 1
    assert "0 verdicts change" in quilate(project, "plan").output
    blueprint = project / "blueprint.yaml"

    blueprint.write_text(
        blueprint.read_text("utf-8").replace("select: [F]", "select: [F], severity_threshold: critical"), "utf-8"
    )
    looser = quilate(project, "plan")

    assert "Replayed on the last 1 run: 1 verdict changes (1 rejected → accepted)" in looser.output
    assert looser.code == 0


def test_plan_says_what_the_old_runs_did_not_measure(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", "ANSWER = 42\n")
    quilate(project, "run")
    blueprint = project / "blueprint.yaml"
    more = "      - {id: format, type: CODE_FORMAT, required: true}\n"
    blueprint.write_text(blueprint.read_text("utf-8").replace("policies:", more + "policies:"), "utf-8")

    planned = quilate(project, "plan")

    assert "those runs did not measure format" in planned.output
    assert "from cache" not in planned.output, "the blueprint is one of the files that the linter was given"
    quilate(project, "run")
    assert "2 checks, 2 from cache" in quilate(project, "plan").output
