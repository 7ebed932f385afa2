"""C11: where the blueprint asks for approval, a waiver binds only when the protected branch holds it already."""

from datetime import date
from pathlib import Path

import pytest

from quilate.policy.model import Waiver
from quilate.waivers.approval import binding_waivers, protected_text
from quilate.waivers.inline import find_inline_waivers
from tests.support.decision_inputs import waiver
from tests.support.repositories import commit_all, git

PROJECT = """\
project: credit-risk
waivers:
  - rule: ruff/S324
    reason: a checksum, no signature
    owner: ana
    until: 2026-12-31
"""
COMMENT = "# quilate: waive ruff/S324 until=2026-12-31 reason=a checksum"
CODE = f"x = md5()  {COMMENT}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / "src").mkdir()
    (tmp_path / "quilate.yaml").write_text(PROJECT)
    (tmp_path / "src" / "a.py").write_text(CODE)
    commit_all(tmp_path, "first")
    git(tmp_path, "checkout", "-q", "-b", "change")
    return tmp_path


def bound(root: Path, *waivers: Waiver) -> list[bool]:
    decided = binding_waivers(
        waivers, need_approval=True, protected=lambda path: protected_text(root, "main", path), branch="main"
    )
    assert all(one.binding or one.not_binding_reason == "request: not on the protected branch main" for one in decided)
    return [one.binding for one in decided]


def inline(text: str) -> tuple[Waiver, ...]:
    return find_inline_waivers("src/a.py", text)[0]


def test_without_the_demand_every_waiver_binds() -> None:
    assert binding_waivers((waiver(),), need_approval=False, protected=None) == (waiver(),)


def test_without_a_protected_branch_none_binds() -> None:
    (one,) = binding_waivers((waiver(),), need_approval=True, protected=None)
    assert (one.binding, one.not_binding_reason) == (False, "request: not on the protected branch")


def test_a_waiver_of_the_project_file_binds_when_the_protected_branch_says_the_same(repository: Path) -> None:
    assert bound(repository, waiver("W-7", source="quilate.yaml:44")) == [True]
    assert bound(repository, waiver(source=f"{repository}/quilate.yaml:3")) == [True]


@pytest.mark.parametrize(
    "changed",
    [
        waiver(rule="ruff/S*"),
        waiver(until=date(2027, 12, 31)),
        waiver(reason="because"),
        waiver(owner="rui"),
        waiver(approver="rui"),
        waiver(paths=("src/**",)),
        waiver(source="other.yaml:3"),
    ],
)
def test_a_changed_waiver_is_a_request(repository: Path, changed: Waiver) -> None:
    assert bound(repository, changed) == [False]


def test_one_approved_waiver_approves_one(repository: Path) -> None:
    assert bound(repository, waiver("W-1"), waiver("W-2")) == [True, False]


def test_an_inline_waiver_may_move_with_its_line_but_not_to_another_line(repository: Path) -> None:
    assert bound(repository, *inline(f"\n\n{CODE}")) == [True]
    assert bound(repository, *inline(f"{COMMENT}\nx = md5()\n")) == [True]
    assert bound(repository, *inline(f"password = 'x'  {COMMENT}\n")) == [False]
    assert bound(repository, *inline(CODE + CODE)) == [True, False]
    assert bound(repository, *inline(CODE.replace("2026", "2027"))) == [False]


def test_the_remote_branch_counts_before_the_local_one(repository: Path) -> None:
    git(repository, "update-ref", "refs/remotes/origin/main", "main")
    git(repository, "checkout", "-q", "main")
    (repository / "quilate.yaml").write_text(PROJECT.replace("S324", "S105"))
    git(repository, "commit", "-q", "-a", "-m", "approve myself")
    assert bound(repository, waiver(rule="ruff/S105")) == [False]
    assert bound(repository, waiver()) == [True]


def test_a_project_below_the_top_of_the_repository(repository: Path) -> None:
    git(repository, "checkout", "-q", "main")
    (repository / "service").mkdir()
    (repository / "service" / "quilate.yaml").write_text("service")
    commit_all(repository, "service")
    assert protected_text(repository / "service", "main", "quilate.yaml") == "service"
    assert protected_text(repository, "main", "quilate.yaml") == PROJECT


@pytest.mark.parametrize(
    "branch",
    ["", "--help", "-main", "main^{/x}", "main:x", "..", "a..b", "main@{1}", "a b", "/main", "none", "*", "main.lock"],
)
def test_a_branch_that_is_none_gives_nothing(repository: Path, branch: str) -> None:
    assert protected_text(repository, branch, "quilate.yaml") is None


@pytest.mark.parametrize("path", ["", "missing.yaml", "../quilate.yaml", "/etc/passwd", "src", "a\0b"])
def test_a_path_that_is_no_file_of_the_branch_gives_nothing(repository: Path, path: str) -> None:
    assert protected_text(repository, "main", path) is None


def test_a_directory_without_git_gives_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert protected_text(tmp_path / "missing", "main", "quilate.yaml") is None


def test_git_variables_of_the_caller_do_not_redirect(
    repository: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("elsewhere")))
    assert protected_text(repository, "main", "quilate.yaml") == PROJECT


@pytest.mark.parametrize(
    "text",
    [
        "waivers: [",
        "waivers: 7",
        "[]",
        "",
        "waivers:\n  - 7\n  - {rule: [x]}\n  - {rule: ruff/S324}\n",
        "waivers: " + "[" * 5000,
        "a: 2026-99-99\nwaivers: []",
    ],
)
def test_what_cannot_be_read_on_the_protected_branch_approves_nothing(text: str) -> None:
    (one,) = binding_waivers((waiver(),), need_approval=True, protected=lambda _path: text)
    assert not one.binding


def test_a_link_has_the_text_of_the_file_that_it_leads_to_on_the_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "main")
    (repository / "folder").mkdir()
    (repository / "real.py").write_text("real = 1\n")
    for name, target in {
        "folder/link.py": "../real.py",
        "again.py": "folder/link.py",
        "circle.py": "circle.py",
        "out.py": "../../etc/passwd",
        "absolute.py": "/etc/passwd",
    }.items():
        (repository / name).symlink_to(target)
    commit_all(repository, "links")
    (repository / "real.py").write_text("changed = 1\n")

    for path in ("real.py", "folder/link.py", "again.py"):
        assert protected_text(repository, "main", path, follow_links=True) == "real = 1\n"
    for path in ("circle.py", "out.py", "absolute.py"):
        assert protected_text(repository, "main", path, follow_links=True) is None
    assert protected_text(repository / "folder", "main", "link.py", follow_links=True) is None
    assert protected_text(repository, "main", "folder/link.py") == "../real.py"
