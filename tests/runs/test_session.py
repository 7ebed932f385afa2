"""A change cannot excuse itself: a new baseline counts once the protected branch holds it (C19)."""

import json
from pathlib import Path

from tests.support.projects import LINT_BLUEPRINT, lint_project, quilate
from tests.support.repositories import commit_all


def test_a_saved_baseline_excuses_nothing_before_it_is_approved(tmp_path: Path) -> None:
    root = lint_project(tmp_path / "project", "import os\n")
    (root / "blueprint.yaml").write_text(LINT_BLUEPRINT + "waivers: {approval: required}\n", encoding="utf-8")
    commit_all(root, "first")

    saved = quilate(root, "run", "--save-baseline")
    before = quilate(root, "run")
    commit_all(root, "debt is accepted")
    after = quilate(root, "run")

    assert len(json.loads((root / "quilate-baseline.json").read_bytes())) > 0
    assert (saved.code, before.code, after.code) == (1, 1, 0), saved.output + saved.errors + after.output
    assert "counts once the protected branch 'main' holds it" in saved.output
    assert "`protected_branch` in quilate.yaml" in saved.output
