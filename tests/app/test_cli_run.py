"""``quilate run`` as a user meets it (C01, C04, C11, C12): output, exit codes, formats, baselines, cancellation."""

import json
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.support.processes import processes_with, unique_marker
from tests.support.projects import QUILATE, environment, lint_project, quilate, write_files
from tests.support.repositories import commit_all, git

CLEAN = "ANSWER = 42\n"
DIRTY = "import os\n\nANSWER = 42\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return lint_project(tmp_path / "project", CLEAN)


def commands_project(directory: Path, checks: str, policy: str = "all_required_checks_pass") -> Path:
    """Write a project of COMMAND checks; ``checks`` are the lines below ``checks:``."""
    blueprint = (
        "id: commands\nversion: 1\nproject_types: [ds]\nstages:\n  - name: only\n    checks:\n"
        + "".join(f"      {line}\n" for line in checks.splitlines())
        + f"policies:\n  approval:\n    rule: {policy}\n"
    )
    files = {"quilate.yaml": "project: sample\ntype: ds\nblueprint: blueprint.yaml\n", "blueprint.yaml": blueprint}
    return write_files(directory, files)


def python_argv(program: str) -> str:
    return json.dumps([sys.executable, "-c", program])


def test_a_clean_project_is_approved(project: Path) -> None:
    done = quilate(project, "run")

    assert done.code == 0, done.output + done.errors
    assert done.lines[0].startswith("quilate ")
    assert "sample" in done.lines[0]
    assert "lint-only v1" in done.lines[0]
    assert any("✓ code_lint" in line for line in done.lines)
    assert "PASS  1 check: 1 passed" in done.output
    assert done.lines[-1] == "exit 0: approved"


def test_a_fault_is_rejected_with_place_frame_and_fix(tmp_path: Path) -> None:
    done = quilate(lint_project(tmp_path / "project", DIRTY), "run")

    assert done.code == 1
    assert any("✗ code_lint" in line for line in done.lines)
    assert "ruff/F401" in done.output
    assert "--> module.py:1:8" in done.output
    assert "import os" in done.output
    assert "  fix: " in done.output
    assert done.lines[-1] == "exit 1: rejected by the gate"


def test_what_could_not_be_asked_is_undecided_and_says_what_to_do(project: Path) -> None:
    blueprint = project / "blueprint.yaml"
    more = "      - {id: schema, type: DATA_SCHEMA, required: true}\n"
    blueprint.write_text(blueprint.read_text("utf-8").replace("policies:", more + "policies:"), encoding="utf-8")

    done = quilate(project, "run")

    assert done.code == 3
    assert "UNKNOWN" in done.output
    assert "schema" in done.output
    assert "quilate.yaml" in done.output
    assert done.lines[-1] == "exit 3: undecided, does not pass"


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("quilate.yaml", "project: [unclosed\n", "quilate.yaml:2:1"),
        ("quilate.yaml", "project: sample\ntype: ds\nbluprint: x\n", "did you mean 'blueprint'"),
        ("quilate.yaml", "project: sample\ntype: ds\nblueprint: ds-bach\n", "ds-batch"),
        (
            "blueprint.yaml",
            "id: x\nversion: 1\nstages:\n  - name: a\n    checks:\n      - {id: l, type: CODE_LNT}\n",
            "CODE_LINT",
        ),
    ],
)
def test_configuration_errors_have_a_place_and_the_nearest_name(project: Path, file: str, text: str, said: str) -> None:
    (project / file).write_text(text, encoding="utf-8")

    done = quilate(project, "run")

    assert done.code == 2
    assert said in done.errors
    assert "Traceback" not in done.errors
    assert "error: " in done.errors


def test_json_sarif_and_junit_are_documents_on_standard_output(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", DIRTY)

    document = json.loads(quilate(project, "run", "--json").output)
    sarif = json.loads(quilate(project, "run", "--sarif").output)
    junit = ET.fromstring(quilate(project, "run", "--junit").output)  # noqa: S314 - our own output

    assert (document["verdict"], document["exit_code"]) == ("FAIL", 1)
    assert document["decision"]["format"] == "quilate-decision/v1"
    assert sarif["version"] == "2.1.0"
    assert [result["ruleId"] for result in sarif["runs"][0]["results"]] == ["ruff/F401"]
    assert junit.find(".//testcase[@name='code_lint']/failure") is not None


def test_a_format_goes_to_a_file_while_people_still_see_the_run(project: Path, tmp_path: Path) -> None:
    target = tmp_path / "run.sarif"

    done = quilate(project, "run", "--sarif", "--output", str(target))

    assert done.lines[-1] == "exit 0: approved"
    assert json.loads(target.read_text(encoding="utf-8"))["version"] == "2.1.0"


def test_piped_output_has_no_escape_sequences(project: Path) -> None:
    assert "\x1b" not in quilate(project, "run").output


def test_an_unchanged_project_is_answered_from_the_cache_with_the_same_decision(project: Path) -> None:
    first = json.loads(quilate(project, "run", "--json").output)
    second = quilate(project, "run")
    third = json.loads(quilate(project, "run", "--json").output)

    assert "cached" in second.output
    assert first["decision"] == third["decision"]
    assert "cached" not in quilate(project, "run", "--no-cache").output


def test_a_partial_run_has_results_but_no_verdict_and_no_seal(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", DIRTY)

    done = quilate(project, "run", "--only", "code_lint")

    assert done.code == 1
    assert "no verdict and no seal" in done.lines[-1]
    assert not list(project.glob(".quilate/runs/*/seal*"))
    assert quilate(project, "run", "--only", "code_lnt").code == 2


def test_one_command_adopts_a_repository_with_old_findings(tmp_path: Path) -> None:
    old = "".join(f"import module_{number}\n" for number in range(5000))
    project = lint_project(tmp_path / "project", old)
    assert quilate(project, "run").code == 1

    adopted = quilate(project, "run", "--save-baseline")
    assert adopted.code == 0, adopted.output
    assert "5000 findings are accepted as debt" in adopted.output

    assert quilate(project, "run").code == 0
    (project / "new.py").write_text("import os\n", encoding="utf-8")
    rejected = quilate(project, "run")
    assert rejected.code == 1
    assert "1 new, 0 fixed, 5000 unchanged (debt)" in rejected.output
    assert rejected.output.count("ruff/F401") == 1


def test_a_git_revision_is_a_baseline_and_moved_lines_stay_old(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", DIRTY)
    commit_all(project, "old")
    (project / "module.py").write_text('"""A line more."""\n\n' + DIRTY, encoding="utf-8")

    same = quilate(project, "run", "--baseline", "HEAD")
    (project / "new.py").write_text("import sys\n", encoding="utf-8")
    worse = quilate(project, "run", "--baseline", "HEAD")

    assert same.code == 0, same.output
    assert "0 new, 0 fixed, 1 unchanged (debt)" in same.output
    assert worse.code == 1
    assert "1 new" in worse.output
    assert quilate(project, "run", "--baseline", "no-such-ref").code == 2


def test_several_project_files_are_judged_and_the_worst_exit_code_counts(tmp_path: Path) -> None:
    lint_project(tmp_path / "repository" / "one", CLEAN)
    lint_project(tmp_path / "repository" / "two", DIRTY)

    done = quilate(tmp_path / "repository", "run")

    assert done.code == 1
    assert done.output.count("PASS") == 1
    assert done.output.count("FAIL") == 1


def test_fail_then_pass_is_flaky_never_silently_green(tmp_path: Path) -> None:
    marker = tmp_path / "tried"
    program = f"import pathlib, sys; p = pathlib.Path({str(marker)!r}); e = p.exists(); p.touch(); sys.exit(not e)"
    project = commands_project(
        tmp_path / "project", f"- {{id: wobbly, type: COMMAND, retries: 1, argv: {python_argv(program)}}}"
    )

    done = quilate(project, "run", "--json")

    document = json.loads(done.output)
    (check,) = document["checks"]
    assert done.code == 0
    assert check["result"] == "warn"
    assert len(check["attempts"]) == 2
    assert document["decision"]["checks"][0]["flaky_tests"] == ["wobbly (attempt 2)"]


def test_a_check_that_hangs_is_ended_with_everything_it_started(tmp_path: Path) -> None:
    marker = unique_marker("hang")
    daemon = f"import os, time; os.setsid(); time.sleep(600)  # {marker}"
    program = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {daemon!r}]); time.sleep(600)"
    project = commands_project(
        tmp_path / "project", f"- {{id: hang, type: COMMAND, timeout: 1s, argv: {python_argv(program)}}}"
    )

    done = quilate(project, "run")

    assert done.code == 3
    assert "longer than" in done.output
    assert not processes_with(marker)


def test_ctrl_c_exits_130_and_leaves_nothing_running(tmp_path: Path) -> None:
    marker = unique_marker("interrupt")
    started = tmp_path / "started"
    program = (
        f"import os, pathlib, time; os.setsid() if os.getpgrp() != os.getpid() else None; "
        f"pathlib.Path({str(started)!r}).touch(); time.sleep(600)  # {marker}"
    )
    project = commands_project(tmp_path / "project", f"- {{id: long, type: COMMAND, argv: {python_argv(program)}}}")
    with subprocess.Popen(
        [QUILATE, "run"],
        cwd=project,
        env=environment(tmp_path / "home"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:
        limit = time.monotonic() + 30
        while not started.exists() and time.monotonic() < limit:
            time.sleep(0.02)
        assert started.exists()

        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 130, errors
    assert b"nothing is left running" in errors
    assert not processes_with(marker)
    assert not list(project.glob(".quilate/runs/*/decision.json"))


def test_effects_wait_for_everything_before_them(tmp_path: Path) -> None:
    deployed = tmp_path / "deployed"
    deploy = python_argv(f"open({str(deployed)!r}, 'w')")
    checks = (
        f"- {{id: build, type: COMMAND, argv: {python_argv('raise SystemExit(1)')}}}\n"
        f"- {{id: deploy, type: COMMAND, effects: true, argv: {deploy}}}"
    )
    project = commands_project(tmp_path / "project", checks)

    rejected = quilate(project, "run")
    assert rejected.code == 1
    assert not deployed.exists()
    assert "- deploy" in rejected.output

    blueprint = project / "blueprint.yaml"
    blueprint.write_text(blueprint.read_text("utf-8").replace("raise SystemExit(1)", "pass"), encoding="utf-8")
    assert quilate(project, "run").code == 0
    assert deployed.exists()


def test_an_internal_error_is_exit_4_with_a_report_and_never_a_verdict(project: Path) -> None:
    program = (
        "import sys, quilate.app.cli as c, quilate.runs.local as l\n"
        "l.graph_of = lambda checks: 1 / 0\n"
        "sys.exit(c.run_command_line(['run']))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=project,
        env=environment(project.parent / "home"),
        capture_output=True,
        check=False,
    )

    assert done.returncode == 4
    assert b"ZeroDivisionError" in done.stderr
    assert b"exit 0" not in done.stdout
    report = Path(done.stderr.decode().split("The report is in ")[1].split(":")[0])
    assert "Traceback" in report.read_text(encoding="utf-8")
    report.unlink()


def test_a_project_without_files_never_passes(tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()

    assert quilate(empty, "run").code in {2, 3}


def test_explain_names_the_failing_clause_and_what_to_do(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", DIRTY)
    quilate(project, "run")

    done = quilate(project, "explain")

    assert done.code == 0
    assert "Run 1" in done.lines[0]
    assert "approval" in done.output
    assert "code_lint" in done.output
    assert quilate(project, "explain", "7").code == 2


@pytest.mark.parametrize("approval", [False, True])
def test_a_waiver_binds_from_the_protected_branch_where_the_blueprint_asks_for_approval(
    tmp_path: Path,
    approval: bool,  # noqa: FBT001 - a column of the table
) -> None:
    project = lint_project(tmp_path / "project", DIRTY)
    if approval:
        with (project / "blueprint.yaml").open("a", encoding="utf-8") as blueprint:
            blueprint.write("waivers: {approval: required}\n")
    commit_all(project, "without waiver")
    git(project, "switch", "--quiet", "--create", "change")
    waived = "import os  # quilate: waive ruff/F401 until=2999-01-01 reason=re-exported for users\n\nANSWER = 42\n"
    (project / "module.py").write_text(waived, encoding="utf-8")

    proposed = quilate(project, "run")
    commit_all(project, "with waiver")
    git(project, "branch", "--force", "main", "change")
    merged = quilate(project, "run")

    assert proposed.code == (1 if approval else 0), proposed.output
    if approval:
        assert "request: not on the protected branch main" in proposed.output
    assert merged.code == 0, merged.output
    assert "re-exported for users" in merged.output


def test_a_change_cannot_excuse_itself_with_a_baseline_where_approval_is_asked_for(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", DIRTY)
    with (project / "blueprint.yaml").open("a", encoding="utf-8") as blueprint:
        blueprint.write("waivers: {approval: required}\n")
    commit_all(project, "first")

    quilate(project, "run", "--save-baseline")

    assert quilate(project, "run").code == 1
    commit_all(project, "adopted on main")
    assert quilate(project, "run").code == 0


def test_an_expired_waiver_brings_the_finding_back(tmp_path: Path) -> None:
    source = "import os  # quilate: waive ruff/F401 until=2020-01-01 reason=old\n"

    done = quilate(lint_project(tmp_path / "project", source), "run")

    assert done.code == 1
    assert "expired" in done.output
