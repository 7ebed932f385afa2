"""quilate.yaml: every key, every fault at once, and the projects of a repository (C02, C04, C19)."""

from pathlib import Path

import pytest

from quilate.blueprints.planner import make_plan
from quilate.blueprints.project_file import find_projects, load_project
from quilate.blueprints.references import load_blueprint
from quilate.domain.errors import ConfigurationError, ConfigurationErrors
from tests.support.repositories import git

FULL = """\
version: 1
project: credit-risk
type: ds
blueprint: ds-ia-crypto
bindings:
  offline_metrics: {predictions: data/predictions.csv}
  code_lint:
interpreter: .venv/bin/python
exclude: [build/**]
protected_branch: release/1
projects: [sub]
tickets: {kind: jira}
secrets: {token: API_TOKEN}
waivers:
  - rule: ruff/S324
    reason: the checksum guards no secret
    owner: a.silva
    approver: r.lima
    until: 2027-01-31
"""


def write(root: Path, text: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "quilate.yaml").write_text(text, encoding="utf-8")
    return root


def errors_of(root: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_project(write(root, text))
    error = caught.value
    listed = error.errors if isinstance(error, ConfigurationErrors) else (error,)
    return [str(each).replace(f"{root}/", "") for each in listed]


def test_every_key_is_read(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    project = load_project(write(tmp_path, FULL))
    assert (project.project, project.type, project.blueprint) == ("credit-risk", "ds", "ds-ia-crypto")
    assert project.bindings == {"offline_metrics": {"predictions": "data/predictions.csv"}, "code_lint": {}}
    assert project.binding_positions["offline_metrics.predictions"].line == 6
    assert (project.interpreter, project.exclude, project.projects) == (".venv/bin/python", ("build/**",), ("sub",))
    assert (project.protected_branch, project.secrets) == ("release/1", {"token": "API_TOKEN"})
    assert project.tickets == {"kind": "jira"}
    (waiver,) = project.waivers
    assert (waiver.rule, waiver.source, waiver.approver) == ("ruff/S324", "quilate.yaml:15", "r.lima")
    assert project.root == str(tmp_path.resolve())
    assert not project.detected


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    text = """\
versoin: 1
project: credit risk
blueprint: /etc/passwd.yaml
bindings: [3]
exclude: [../other]
projects: [gone, ..]
protected_branch: --upload-pack=x
secrets: {token: ghp_x-y}
waivers:
  - rule: ruff/S324
"""
    errors = errors_of(tmp_path, text)
    starts = [
        "quilate.yaml:1:1: quilate.yaml has no key 'versoin', did you mean 'version'?",
        "quilate.yaml:1:1: quilate.yaml lacks type",
        "quilate.yaml:2:10: 'credit risk' is no name",
        "quilate.yaml:3:12: the blueprint's path is absolute",
        "quilate.yaml:4:11: bindings must be a mapping",
        "quilate.yaml:5:11: '../other' in exclude leads out of the project",
        "quilate.yaml:6:12: 'gone' in projects is not a directory",
        "quilate.yaml:6:18: '..' in projects leads out of the project",
        "quilate.yaml:7:19: '--upload-pack=x' is no branch name",
        "quilate.yaml:8:18: the secret 'token' must name an environment variable",
        "quilate.yaml:10:5: waiver 1: ",
    ]
    assert [error[: len(start)] for error, start in zip(errors, starts, strict=True)] == starts
    assert "ghp_x-y" not in "".join(errors)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [\n", "quilate.yaml:2:1: not YAML"),
        ("", "quilate.yaml:1:1: the top of the file must be a mapping"),
        (
            "project: p\ntype: t\nblueprint: ../../x.yaml\n",
            "quilate.yaml:3:12: '../../x.yaml' leads out of the project",
        ),
        ("version: 2\nproject: p\ntype: t\nblueprint: b\n", "quilate.yaml:1:10: the format version 2 is not known"),
    ],
)
def test_a_broken_file_is_an_error_with_a_place(tmp_path: Path, text: str, expected: str) -> None:
    assert errors_of(tmp_path, text)[0].startswith(expected)


def test_a_link_that_leads_out_is_not_read(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("root:x:0\n", encoding="utf-8")
    project = tmp_path / "project"
    project.mkdir()
    (project / "quilate.yaml").symlink_to(secret)
    with pytest.raises(ConfigurationError, match="link that leads out"):
        load_project(project)


def test_projects_of_a_repository(tmp_path: Path) -> None:
    plain = "project: p\ntype: ds\nblueprint: ds-batch\n"
    assert find_projects(tmp_path) == (tmp_path,)
    write(tmp_path / "b", plain)
    write(tmp_path / "a" / "deep", plain)
    write(tmp_path / "node_modules" / "x", plain)
    write(tmp_path / ".venv" / "x", plain)
    assert find_projects(tmp_path) == (tmp_path / "a" / "deep", tmp_path / "b")
    write(tmp_path, plain)
    assert find_projects(tmp_path) == (tmp_path,)
    write(tmp_path, plain + "projects: [b]\n")
    assert find_projects(tmp_path) == (tmp_path, tmp_path / "b")
    write(tmp_path, "projects: [b, a/deep]\n")
    assert find_projects(tmp_path) == (tmp_path / "b", tmp_path / "a" / "deep")
    (tmp_path / "empty").mkdir()
    write(tmp_path, "projects: [empty]\n")
    with pytest.raises(ConfigurationError, match=r"'empty' has no quilate.yaml"):
        find_projects(tmp_path)


def test_what_git_ignores_is_no_project(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / ".gitignore").write_text("out/\n", encoding="utf-8")
    write(tmp_path / "out" / "copy", FULL)
    write(tmp_path / "a", FULL)
    assert find_projects(tmp_path) == (tmp_path / "a",)


def test_without_a_file_the_kind_is_detected(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("print()\n", encoding="utf-8")
    project = load_project(tmp_path)
    assert (project.detected, project.blueprint) == (True, "crypto-lib")


def test_the_example_of_the_documentation_is_sound(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "project-file.md").read_text(encoding="utf-8")
    project = load_project(write(tmp_path, page.split("```yaml\n")[1].split("```")[0]))
    plan = make_plan(project, load_blueprint(project.blueprint, tmp_path))
    assert {check.id for check in plan.checks if not check.binding_error} >= {"schema_validation", "offline_metrics"}
