"""SECRETS over real kingfisher, without network (C16)."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from quilate.checks.security.secrets import Secrets
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.domain.severity import Severity
from tests.support.check_runner import run_check
from tests.support.repositories import git


def made_up_token(seed: str) -> str:
    """Return a text in the form of a GitHub token, never written in this file."""
    return "ghp_" + hashlib.sha256(seed.encode()).hexdigest()[:36]


def test_the_canary_is_found(tmp_path: Path) -> None:
    canary = Secrets().canary(tmp_path)
    evidence = run_check("SECRETS", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert set(canary.expected_rules) <= {finding.rule for finding in evidence.findings}


def test_a_secret_is_placed_but_never_kept(tmp_path: Path) -> None:
    token = made_up_token("one")
    (tmp_path / "code.py").write_text(f"x = 1\ntoken = '{token}'\n", encoding="utf-8")
    (tmp_path / "clean.py").write_text("x = 1\n", encoding="utf-8")
    evidence = run_check("SECRETS", tmp_path)
    (finding,) = evidence.findings
    assert (finding.rule, finding.severity) == ("kingfisher/betterleaks.github-pat", Severity.CRITICAL)
    assert (finding.location.path, finding.location.line, finding.location.column) == ("code.py", 2, 10)
    assert token not in repr(evidence)
    assert token[4:20] not in repr(evidence)
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["secrets_found"], facts["files_analysed"], facts["files_unparsed"]) == ("1", "2", "0")


def test_the_fingerprint_is_the_secrets_not_the_lines(tmp_path: Path) -> None:
    code = tmp_path / "code.py"
    code.write_text(f"token = '{made_up_token('one')}'\n", encoding="utf-8")
    first = run_check("SECRETS", tmp_path).findings[0].fingerprint
    code.write_text(f"# moved\n\nother_name = '{made_up_token('one')}'\n", encoding="utf-8")
    assert run_check("SECRETS", tmp_path).findings[0].fingerprint == first
    code.write_text(f"token = '{made_up_token('two')}'\n", encoding="utf-8")
    assert run_check("SECRETS", tmp_path).findings[0].fingerprint != first


def test_binary_files_archives_and_ignored_files_are_scanned(tmp_path: Path) -> None:
    token = made_up_token("one")
    (tmp_path / ".gitignore").write_text("ignored.txt\n", encoding="utf-8")
    (tmp_path / "ignored.txt").write_text(f"{token}\n", encoding="utf-8")
    (tmp_path / "silenced.py").write_text(f"a = '{token}'  # kingfisher:ignore\n", encoding="utf-8")
    (tmp_path / "data.bin").write_bytes(bytes(range(256)) * 8 + token.encode() + b"\0")
    with zipfile.ZipFile(tmp_path / "kept.zip", "w") as archive:
        archive.writestr("inner.txt", f"{token}\n")
    findings = run_check("SECRETS", tmp_path).findings
    assert [one.location.path for one in findings] == ["data.bin", "ignored.txt", "kept.zip", "silenced.py"]
    assert "'inner.txt'" in findings[2].message


def test_what_cannot_be_scanned_is_open(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "dangling.txt").symlink_to(tmp_path / "nowhere")
    with (tmp_path / "huge.bin").open("wb") as stream:
        stream.truncate(300 << 20)
    evidence = run_check("SECRETS", tmp_path)
    assert [one.subject for one in evidence.undecided] == ["dangling.txt", "huge.bin"]
    facts = {fact.name: fact.value for fact in evidence.facts}
    assert (facts["files_analysed"], facts["files_unparsed"]) == ("1", "2")


def test_the_history_is_scanned_on_request(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    code = tmp_path / "code.py"
    code.write_text(f"token = '{made_up_token('old')}'\n", encoding="utf-8")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "-qm", "one")
    code.write_text(f"token = '{made_up_token('new')}'\n", encoding="utf-8")
    git(tmp_path, "commit", "-qam", "two")
    assert len(run_check("SECRETS", tmp_path).findings) == 1
    evidence = run_check("SECRETS", tmp_path, parameters={"history": True})
    now, then = evidence.findings
    assert (now.location.line, then.location.line) == (1, None)
    assert " in commit " in then.message
    assert made_up_token("old") not in repr(evidence)


def test_history_without_a_repository_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("x = 1\n", encoding="utf-8")
    with pytest.raises(EvidenceError, match="no git repository"):
        run_check("SECRETS", tmp_path, parameters={"history": True})


def test_only_the_bound_paths_are_scanned(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "code.py").write_text(f"t = '{made_up_token(folder)}'\n", encoding="utf-8")
    findings = run_check("SECRETS", tmp_path, binding={"paths": ["two"]}).findings
    assert [one.location.path for one in findings] == ["two/code.py"]


@pytest.mark.slow
def test_it_works_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    (tmp_path / "code.py").write_text(f"t = '{made_up_token('one')}'\n", encoding="utf-8")
    assert len(run_check("SECRETS", tmp_path).findings) == 1


def test_nothing_to_judge_is_not_a_pass(tmp_path: Path) -> None:
    assert len(run_check("SECRETS", tmp_path).undecided) == 1


def test_an_unknown_confidence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="confidence"):
        run_check("SECRETS", tmp_path, parameters={"confidence": "certain"})
