"""``quilate doctor`` names each problem with its fix."""

from pathlib import Path

from tests.support.projects import lint_project, quilate, write_files


def test_a_project_in_order_has_no_problem(tmp_path: Path) -> None:
    done = quilate(lint_project(tmp_path / "project", "ANSWER = 42\n"), "doctor")

    assert done.code == 0, done.output
    assert "✓ ruff: " in done.output
    assert done.lines[-1].startswith("0 problems")


def test_a_broken_project_file_is_a_problem_with_its_place(tmp_path: Path) -> None:
    project = write_files(tmp_path / "project", {"quilate.yaml": "project: x\ntype: ds\nblueprnt: y\n"})

    done = quilate(project, "doctor")

    assert done.code == 1
    assert "did you mean 'blueprint'" in done.output


def test_missing_bindings_and_interpreters_are_problems_with_their_fix(tmp_path: Path) -> None:
    project = write_files(
        tmp_path / "project",
        {
            "quilate.yaml": "project: x\ntype: ds\nblueprint: blueprint.yaml\n",
            "blueprint.yaml": (
                "id: b\nversion: 1\nproject_types: [ds]\nstages:\n  - name: s\n    checks:\n"
                "      - {id: tests, type: UNIT_TESTS, required: true}\n"
                "      - {id: contract, type: DATA_SCHEMA, required: true}\n"
            ),
        },
    )

    done = quilate(project, "doctor")

    assert done.code == 1
    assert "no interpreter for the project's own code" in done.output
    assert "contract" in done.output
    assert "2 problems" in done.lines[-1]


def test_a_readable_private_key_is_a_problem(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", "ANSWER = 42\n")
    assert quilate(project, "keys", "init").code == 0
    for path in (tmp_path / "quilate-home").rglob("*"):
        if path.is_file():
            path.chmod(0o644)

    done = quilate(project, "doctor")

    assert done.code == 1
    assert "✗ signing key" in done.output
