"""``quilate verify`` and ``quilate keys`` over real runs: what is accepted, and every way to be refused (C10, D09)."""

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.support.projects import Outcome, lint_project, quilate

CLEAN = "ANSWER = 42\n"


@pytest.fixture
def judged(tmp_path: Path) -> Path:
    """A project with one approved and sealed run."""
    project = lint_project(tmp_path / "project", CLEAN)
    assert quilate(project, "run").code == 0
    return project


def run_files(project: Path, number: int = 1) -> Path:
    return project / ".quilate" / "runs" / str(number)


def refused(done: Outcome, *codes: str) -> None:
    assert done.code == 1, done.output + done.errors
    named = [line.split(":")[0].strip() for line in done.lines if line.startswith("  ") and line[2] != " "]
    assert set(codes) <= set(named), done.output
    assert done.lines[-1] == "exit 1: refused"


def test_an_approved_run_is_accepted_where_local_seals_are_allowed(judged: Path) -> None:
    for subject in ("last", "1", "."):
        done = quilate(judged, "verify", subject, "--allow-local")
        assert done.code == 0, done.output + done.errors
        assert done.lines[0].startswith("accepted: sample")
        assert "PASS under lint-only v1" in done.output
        assert "replay" in done.output
        assert done.lines[-1] == "exit 0: accepted"


def test_a_seal_made_on_a_laptop_is_refused_unless_allowed_by_name(judged: Path) -> None:
    done = quilate(judged, "verify")

    refused(done, "local_not_allowed")
    assert "--allow-local" in done.output


def test_a_changed_file_is_another_subject(judged: Path) -> None:
    (judged / "module.py").write_text("ANSWER = 43\n", encoding="utf-8")

    refused(quilate(judged, "verify", ".", "--allow-local"), "wrong_subject")
    # The run itself stays what it was.
    assert quilate(judged, "verify", "last", "--allow-local").code == 0


def test_digests_remembered_in_the_tree_are_not_believed(judged: Path) -> None:
    module = judged / "module.py"
    status = module.stat()
    with module.open("r+b") as stream:
        stream.write(b"ANSWER = 43\n")
    os.utime(module, ns=(status.st_atime_ns, status.st_mtime_ns))

    assert module.stat().st_size == status.st_size
    refused(quilate(judged, "verify", ".", "--allow-local"), "wrong_subject")


def test_a_loosened_blueprint_is_refused(judged: Path) -> None:
    blueprint = judged / "blueprint.yaml"
    blueprint.write_text(blueprint.read_text("utf-8").replace("required: true", "required: false"), encoding="utf-8")

    refused(quilate(judged, "verify", "last", "--allow-local"), "wrong_policy")


def test_the_expected_policy_can_be_named(judged: Path) -> None:
    statement = json.loads(quilate(judged, "verify", "--allow-local", "--json").output)["statement"]
    digest = statement["blueprint_digest"]

    assert quilate(judged, "verify", "--allow-local", "--policy-digest", digest).code == 0
    assert quilate(judged, "verify", "--allow-local", "--policy-digest", digest.removeprefix("sha256:")).code == 0
    refused(quilate(judged, "verify", "--allow-local", "--policy-digest", "0" * 64), "wrong_policy")
    with_profile = ("--policy-digest", digest, "--profile-digest", "0" * 64)
    refused(quilate(judged, "verify", "--allow-local", *with_profile), "wrong_profile")
    assert quilate(judged, "verify", "--policy-digest", "md5:00").code == 2


def test_a_rejected_run_is_refused(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", "import os\n")
    assert quilate(project, "run").code == 1

    done = quilate(project, "verify", "--allow-local")

    refused(done, "not_passed")
    assert "the verdict is FAIL" in done.output


def test_a_changed_record_is_refused(judged: Path) -> None:
    files = run_files(judged)
    for name, old, new, code in (
        ("decision.json", b'"verdict":"PASS"', b'"verdict":"FAIL"', "tampered_decision"),
        ("decision.json", b"{", b"[", "tampered_decision"),
        ("decision-input.json", b"sample", b"simple", "tampered_decision"),
        ("seal.dsse.json", b'"sig":"', b'"sig":"A', "malformed"),
        ("seal.dsse.json", b'"payload":"e', b'"payload":"f', "bad_signature"),
        ("seal.dsse.json", b'"keyid":"sha256:', b'"keyid":"sha255:', "unknown_key"),
    ):
        original = (files / name).read_bytes()
        assert old in original
        (files / name).write_bytes(original.replace(old, new, 1))
        refused(quilate(judged, "verify", "--allow-local"), code)
        (files / name).write_bytes(original)
    assert quilate(judged, "verify", "--allow-local").code == 0


def test_another_machine_trusts_only_the_keys_it_is_given(judged: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    assert quilate(judged, "keys", "export", "--output", str(key)).code == 0
    other = str(tmp_path / "other-home")

    without = quilate(judged, "verify", "--allow-local", QUILATE_HOME=other)
    assert without.code == 2
    assert "--key" in without.errors
    assert quilate(judged, "verify", "--allow-local", "--key", str(key), QUILATE_HOME=other).code == 0
    assert quilate(judged, "keys", "init", QUILATE_HOME=other).code == 0
    refused(quilate(judged, "verify", "--allow-local", QUILATE_HOME=other), "unknown_key")


def test_a_tree_is_verified_elsewhere_from_its_seal_alone(judged: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    quilate(judged, "keys", "export", "--output", str(key))
    seal = shutil.copy(run_files(judged) / "seal.dsse.json", tmp_path / "seal.json")
    elsewhere = tmp_path / "deployed"
    shutil.copytree(judged, elsewhere, ignore=shutil.ignore_patterns(".quilate"))
    command = ("verify", str(elsewhere), "--seal", str(seal), "--key", str(key), "--allow-local")

    assert quilate(tmp_path, *command).code == 0
    (elsewhere / "added.py").write_text("import os\n", encoding="utf-8")
    refused(quilate(tmp_path, *command), "wrong_subject")


def test_a_seal_can_be_too_old(judged: Path) -> None:
    assert quilate(judged, "verify", "--allow-local", "--max-age", "1").code == 0
    refused(quilate(judged, "verify", "--allow-local", "--max-age", "0.00000001"), "expired")


def test_the_answer_as_json(judged: Path) -> None:
    done = quilate(judged, "verify", "--json")
    answer = json.loads(done.output)

    assert done.code == 1
    assert answer["format"] == "quilate-verification/v1"
    assert answer["accepted"] is False
    assert [refusal["code"] for refusal in answer["refusals"]] == ["local_not_allowed"]
    assert answer["statement"]["verdict"] == "PASS"


@pytest.mark.parametrize(
    "arguments",
    [
        ("7",),
        ("nowhere",),
        ("module.py",),
        (".", "--seal", "nowhere.json"),
        ("--key", "nowhere.pem"),
        ("--key", "module.py"),
        ("--max-age", "-1"),
    ],
)
def test_what_cannot_be_verified_is_a_usage_error_with_a_hint(judged: Path, arguments: tuple[str, ...]) -> None:
    done = quilate(judged, "verify", *arguments)

    assert done.code == 2, done.output
    assert len(done.errors.splitlines()) >= 2
    assert "Traceback" not in done.errors


def test_without_a_project_file_no_policy_is_expected(judged: Path) -> None:
    (judged / "quilate.yaml").unlink()
    done = quilate(judged, "verify", "--allow-local")

    assert done.code == 2
    assert "--policy-digest" in done.errors


def test_a_partial_run_has_no_seal(tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", CLEAN)
    assert quilate(project, "run", "--only", "code_lint").code == 0

    done = quilate(project, "verify")

    assert done.code == 2
    assert "partial" in done.errors


def test_keys_are_made_shown_and_exported(tmp_path: Path) -> None:
    assert quilate(tmp_path, "keys", "show").code == 2
    made = quilate(tmp_path, "keys", "init")
    shown = quilate(tmp_path, "keys", "show")
    listed = json.loads(quilate(tmp_path, "keys", "show", "--json").output)

    assert made.code == shown.code == 0
    assert made.lines[0] == f"made {shown.lines[0]}"
    assert listed["key_id"] == shown.lines[0]
    assert quilate(tmp_path, "keys", "export").output.startswith("-----BEGIN PUBLIC KEY-----")
    again = quilate(tmp_path, "keys", "init")
    assert again.code == 2
    assert "already" in again.errors


def test_a_key_that_others_may_read_is_refused(judged: Path) -> None:
    (judged.parent / "quilate-home" / "keys" / "signing.pem").chmod(0o644)

    done = quilate(judged, "keys", "show")

    assert done.code == 2
    assert "others may read" in done.errors
    assert "chmod 600" in done.errors
