"""An answer is about the files that its run names, or it is no answer (C04, C11)."""

from pathlib import Path

from tests.support.projects import quilate, write_files
from tests.support.repositories import commit_all, git

BLUEPRINT = """\
id: changing
version: 1
project_types: [ds]
stages:
  - name: build
    checks:
      - {id: rewrite, type: COMMAND, in_place: true, argv: [python3, rewrite.py], required: true}
      - {id: lint, type: CODE_LINT, select: [F], needs: [rewrite], required: true}
"""


def project(directory: Path) -> Path:
    return write_files(
        directory / "project",
        {
            "quilate.yaml": "project: sample\ntype: ds\nblueprint: blueprint.yaml\n",
            "blueprint.yaml": BLUEPRINT,
            "module.py": "import os\n",
            "rewrite.py": "from pathlib import Path\n\nPath('module.py').write_text('x = 1\\n', encoding='utf-8')\n",
        },
    )


def test_files_that_change_during_a_run_leave_it_undecided_and_out_of_the_cache(tmp_path: Path) -> None:
    root = project(tmp_path)

    changed = quilate(root, "run")
    write_files(root, {"module.py": "import os\n"})
    again = quilate(root, "run", "--only", "lint")

    assert changed.code == 3, changed.output + changed.errors
    assert "files changed while the run was under way: module.py" in changed.output
    assert again.code == 1, again.output
    assert "ruff/F401" in again.output


def test_a_command_that_leaves_the_judged_files_alone_is_decided(tmp_path: Path) -> None:
    root = project(tmp_path)
    write_files(root, {"rewrite.py": "print('nothing to do')\n", "module.py": "x = 1\n"})

    assert quilate(root, "run").code == 0


def test_repositories_within_the_project_are_named_as_not_judged(tmp_path: Path) -> None:

    root = project(tmp_path)
    write_files(
        root, {"rewrite.py": "print('nothing to do')\n", "module.py": "x = 1\n", "vendored/a.py": "import os\n"}
    )
    git(root, "init", "--quiet")
    commit_all(root / "vendored", "other")

    outcome = quilate(root, "run")

    assert "not judged: 1 git repositories within the project (vendored)" in outcome.output
