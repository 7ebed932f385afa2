"""COMMAND runs builds, trainings and deployments as checks (C01, C04)."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from quilate.checks.registry import load_check
from quilate.checks.validation import merged_parameters
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.domain.ids import Digest
from quilate.evidence.model import Artifact
from tests.support.check_runner import run_check

PYTHON = sys.executable


def facts_of(directory: Path, *argv: str, **parameters: object) -> dict[str, object]:
    evidence = run_check("COMMAND", directory, parameters={"argv": [*argv], **parameters})
    return {fact.name: fact.value for fact in evidence.facts}


def test_a_command_that_ends_well_leaves_its_outputs(tmp_path: Path) -> None:
    program = "open('model.bin', 'w').write('weights')"

    evidence = run_check(
        "COMMAND", tmp_path, parameters={"argv": [PYTHON, "-c", program], "outputs": ["model.bin", "report.html"]}
    )

    assert [finding.rule for finding in evidence.findings] == ["QL-CMD-002"]
    assert "report.html" in evidence.findings[0].message
    assert next((artifact.name, artifact.size) for artifact in evidence.artifacts) == ("model.bin", 7)
    assert not (tmp_path / "model.bin").exists(), "it runs in a copy"


def test_an_unexpected_exit_names_the_code_and_the_last_lines(tmp_path: Path) -> None:
    program = "import sys; print('loss is NaN', file=sys.stderr); sys.exit(7)"

    (finding,) = run_check("COMMAND", tmp_path, parameters={"argv": [PYTHON, "-c", program]}).findings

    assert (finding.rule, finding.measured, finding.limit) == ("QL-CMD-001", "exit code 7", "exit code 0")
    assert "loss is NaN" in finding.message


def test_an_expected_exit_is_no_finding(tmp_path: Path) -> None:
    assert facts_of(tmp_path, PYTHON, "-c", "raise SystemExit(7)", expected_exit=7)["exit_code"] == "7"


def test_in_place_works_on_the_workspace_itself(tmp_path: Path) -> None:
    facts_of(tmp_path, PYTHON, "-c", "open('here', 'w')", in_place=True)

    assert (tmp_path / "here").exists()


def test_only_named_variables_are_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPLOY_REGION", "sa-east-1")
    monkeypatch.setenv("DATABASE_PASSWORD", "not for the command")
    program = (
        "import os, sys; sys.exit(int(os.environ['DEPLOY_REGION'] != 'sa-east-1' or 'DATABASE_PASSWORD' in os.environ))"
    )

    assert facts_of(tmp_path, PYTHON, "-c", program, environment=["DEPLOY_REGION"])["exit_code"] == "0"
    with pytest.raises(EvidenceError, match="NO_SUCH_VARIABLE"):
        facts_of(tmp_path, PYTHON, "-c", "pass", environment=["NO_SUCH_VARIABLE"])


def test_secrets_in_the_output_are_masked(tmp_path: Path) -> None:
    token = "ghp_" + "A1b2C3d4E5f6G7h8I9j0" + "K1l2M3n4O5p6Q7r8"
    program = f"import sys; print('token', {token!r}, file=sys.stderr); sys.exit(1)"

    evidence = run_check("COMMAND", tmp_path, parameters={"argv": [PYTHON, "-c", program]})

    assert token not in repr(evidence)


def test_the_value_of_a_passed_on_variable_is_masked_wherever_it_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[bytes] = []
    monkeypatch.setenv("DEPLOY_KEY", "correct horse")
    monkeypatch.setattr("quilate.checks.context.LocalContext.artifact", keep_in(kept))
    program = "import os, sys; print(os.environ['DEPLOY_KEY']); sys.exit('bad key: ' + os.environ['DEPLOY_KEY'])"

    evidence = run_check(
        "COMMAND", tmp_path, parameters={"argv": [PYTHON, "-c", program], "environment": ["DEPLOY_KEY"]}
    )

    assert "bad key: [masked]" in evidence.findings[0].message
    assert kept == [b"[masked]\nbad key: [masked]\n"]


def keep_in(kept: list[bytes]) -> Callable[..., Artifact]:
    """Return a stand-in for the artifact store, which is gone with the check's scratch directory."""

    def artifact(_context: object, name: str, content: bytes, media_type: str) -> Artifact:
        kept.append(content)
        return Artifact(name=name, media_type=media_type, digest=Digest("sha256:0"), size=len(content))

    return artifact


def test_the_end_of_a_long_output_is_what_is_kept(tmp_path: Path) -> None:
    program = "for n in range(100000): print('line', n)\nraise SystemExit(2)"

    evidence = run_check("COMMAND", tmp_path, parameters={"argv": [PYTHON, "-c", program]})

    assert evidence.findings[0].message.endswith("line 99998 / line 99999")
    assert 200_000 < evidence.artifacts[0].size <= 256 << 10


@pytest.mark.parametrize("directory", ["..", "missing", "/"])
def test_it_starts_inside_the_workspace_only(tmp_path: Path, directory: str) -> None:
    with pytest.raises(EvidenceError, match="no directory of the workspace"):
        run_check("COMMAND", tmp_path, parameters={"argv": [PYTHON]}, binding={"directory": directory})


def test_exactly_one_place_gives_the_command(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no command"):
        run_check("COMMAND", tmp_path)
    with pytest.raises(EvidenceError, match="twice"):
        run_check("COMMAND", tmp_path, parameters={"argv": ["a"]}, binding={"argv": ["a"]})
    with pytest.raises(ConfigurationError, match="argv"):
        run_check("COMMAND", tmp_path, parameters={"argv": "rm -rf /"})


def test_a_program_that_is_not_there_and_one_that_hangs_are_errors(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="could not be started"):
        run_check("COMMAND", tmp_path, parameters={"argv": ["no-such-program"]})
    with pytest.raises(EvidenceError, match=r"longer than 0\.5 s"):
        run_check("COMMAND", tmp_path, parameters={"argv": [PYTHON, "-c", "import time; time.sleep(60)"]}, timeout=0.5)


def test_canary_is_red(tmp_path: Path) -> None:
    canary = load_check("COMMAND").canary(tmp_path)

    evidence = run_check("COMMAND", tmp_path, parameters=canary.parameters)

    assert [finding.rule for finding in evidence.findings] == list(canary.expected_rules)


def test_only_a_command_that_says_so_is_answered_from_the_cache() -> None:
    check = load_check("COMMAND")

    def cacheable(**changes: object) -> bool:
        parameters, _, _ = merged_parameters(check, {"argv": ["make"], **changes})
        return check.inputs(parameters, check.binding()).cacheable

    assert not cacheable()
    assert cacheable(cacheable=True)
    assert not cacheable(cacheable=True, in_place=True)
    assert not cacheable(cacheable=True, environment=["TOKEN"])
