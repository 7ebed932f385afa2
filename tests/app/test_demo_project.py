"""The demonstration project: its flaws are found, its fixes hold, its four acts play (C12, C16, C21)."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from quilate.app.cli import run_command_line
from quilate.app.demo import DemoService, Flaw, apply_fixes, flaws, write_project
from quilate.domain.errors import ConfigurationError
from quilate.domain.severity import Severity
from quilate.evidence.model import Evidence
from tests.support.check_runner import run_check

LIBRARY = Path(__file__).parents[2] / "src" / "quilate" / "blueprints" / "library" / "ds-ia-crypto.yaml"
README = Path(__file__).parents[2] / "README.md"
FORMAT_KEYS = {"id", "type", "required"}
CHECKS: Mapping[str, Mapping[str, Any]] = {
    check["id"]: check
    for stage in yaml.safe_load(LIBRARY.read_text(encoding="utf-8"))["stages"]
    for check in stage["checks"]
}
DELIVERY = {"perf_test", "penetration_test", "tls_policy"}


def judged(directory: Path, check: str) -> Evidence:
    """Run one check of the blueprint with its parameters and the project's binding."""
    bindings = yaml.safe_load((directory / "quilate.yaml").read_text(encoding="utf-8"))["bindings"]
    parameters = {name: value for name, value in CHECKS[check].items() if name not in FORMAT_KEYS}
    return run_check(
        CHECKS[check]["type"],
        directory,
        parameters=parameters,
        binding=bindings.get(check, {}),
        interpreter=sys.executable,
    )


def rules(evidence: Evidence) -> set[str]:
    return {str(finding.rule) for finding in evidence.findings}


def expected(check: str) -> set[str]:
    return {flaw.rule for flaw in flaws() if flaw.check == check}


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(directory)): file.read_bytes()
        for file in sorted(directory.rglob("*"))
        if file.is_file() and file.suffix not in {".pem", ".key"} and file.name != "quilate.yaml"
    }


def test_every_family_has_a_flaw_in_a_check_of_the_blueprint() -> None:
    assert {flaw.family for flaw in flaws()} == {"code", "security", "crypto", "data", "model", "delivery"}
    assert {flaw.check for flaw in flaws()} == set(CHECKS) - {"data_quality_profile"}


@pytest.mark.parametrize("check", [name for name in CHECKS if name not in DELIVERY])
def test_planted_flaws_are_found_and_fixed(tmp_path: Path, check: str) -> None:
    write_project(tmp_path, flaws=True)
    assert rules(judged(tmp_path, check)) >= expected(check)
    apply_fixes(tmp_path)
    evidence = judged(tmp_path, check)
    assert (evidence.findings, evidence.undecided) == ((), ())


def test_flaws_of_the_running_service_are_found_and_fixed(tmp_path: Path) -> None:
    write_project(tmp_path, flaws=True)
    with DemoService(tmp_path):
        for check in DELIVERY:
            assert rules(judged(tmp_path, check)) >= expected(check)
    apply_fixes(tmp_path)
    with DemoService(tmp_path):
        for check in DELIVERY:
            evidence = judged(tmp_path, check)
            assert (evidence.findings, evidence.undecided) == ((), ())


def test_findings_lie_where_the_flaws_were_planted(tmp_path: Path) -> None:
    write_project(tmp_path, flaws=True)
    placed: list[Flaw] = [flaw for flaw in flaws() if flaw.check not in DELIVERY | {"unit_tests"}]
    evidence = {check: judged(tmp_path, check) for check in {flaw.check for flaw in placed}}
    for flaw in placed:
        paths = {finding.location.path for finding in evidence[flaw.check].findings if finding.rule == flaw.rule}
        assert paths == {flaw.place}
    assert all(finding.severity > Severity.LOW for each in evidence.values() for finding in each.findings)


def test_fixing_gives_the_same_project_as_writing_it_without_flaws(tmp_path: Path) -> None:
    flawed, sound, again = (tmp_path / name for name in ("flawed", "sound", "again"))
    write_project(flawed, flaws=True)
    write_project(sound, flaws=False)
    write_project(again, flaws=True)
    assert contents(flawed) == contents(again)
    changed = apply_fixes(flawed)
    assert contents(flawed) == contents(sound)
    assert {flaw.place for flaw in flaws()} == set(changed)


def test_only_an_empty_directory_is_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    with pytest.raises(ConfigurationError, match="is not empty"):
        write_project(tmp_path, flaws=True)
    assert run_command_line(["demo", str(tmp_path)]) == 2
    assert [file.name for file in tmp_path.iterdir()] == ["mine.txt"]


def test_the_service_answers_on_both_ports_and_ends(tmp_path: Path) -> None:
    write_project(tmp_path, flaws=False)
    with DemoService(tmp_path) as service:
        port, tls_port = service.ports()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert json.load(answer) == {"status": "ok"}
        trusted = ssl.create_default_context(cafile=str(tmp_path / "deploy" / "authority.pem"))
        with urllib.request.urlopen(f"https://127.0.0.1:{tls_port}/health", context=trusted) as answer:
            assert json.load(answer) == {"status": "ok"}
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health")


def service_program(directory: str, *, where: Path) -> subprocess.Popen[str]:
    """Start what docs/demo.md says for going on with a kept project."""
    return subprocess.Popen(
        (sys.executable, "-m", "quilate.app.demo", directory),
        cwd=where,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_program_of_the_service_takes_a_relative_path_and_ends_with_its_service(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_project(tmp_path / "credit-risk", flaws=False)
    port, _ = DemoService(tmp_path / "credit-risk").ports()
    with service_program("credit-risk", where=tmp_path) as process:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{port}" in process.stdout.readline()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer:
            assert json.load(answer) == {"status": "ok"}
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/health")


def test_the_program_of_the_service_says_why_it_cannot_start(tmp_path: Path) -> None:
    write_project(tmp_path / "credit-risk", flaws=False)
    port, _ = DemoService(tmp_path / "credit-risk").ports()
    with socket.create_server(("127.0.0.1", port)), service_program("credit-risk", where=tmp_path) as process:
        _, error = process.communicate(timeout=60)
        assert (process.returncode, error.splitlines()[0]) == (
            3,
            f"error: the demonstration's service cannot have port {port}: Address already in use",
        )
    (tmp_path / "credit-risk" / "credit_risk" / "service.py").write_text("import nothing_like_this\n")
    with service_program("credit-risk", where=tmp_path) as process:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 3
        assert "did not start: ModuleNotFoundError: No module named 'nothing_like_this'" in error
        assert "Traceback" not in error
    with service_program("elsewhere", where=tmp_path) as process:
        _, error = process.communicate(timeout=60)
        assert process.returncode == 2
        assert "holds no project of the demonstration" in error


def test_keys_are_for_their_owner_only_and_not_judged(tmp_path: Path) -> None:
    write_project(tmp_path, flaws=False)
    with DemoService(tmp_path):
        keys = list(tmp_path.rglob("*.key"))
    assert {key.name for key in keys} == {"authority.key", "server.key"}
    assert {key.parent.name for key in keys} == {".demo"}
    assert all(key.stat().st_mode & 0o077 == 0 for key in keys)
    assert yaml.safe_load((tmp_path / "quilate.yaml").read_text())["exclude"] == [".demo/**"]


def without_times(text: str) -> list[str]:
    """Return the lines without what differs from run to run: durations, and where the evidence lies."""
    lines = [re.sub(r"\s+[\d.]+s$", "", re.sub(r"p95 [\d.]+ ms", "p95 ms", line)) for line in text.splitlines()]
    return [line for line in lines if not line.startswith("  evidence in ")]


@pytest.mark.slow
def test_the_demonstration_plays_all_four_acts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = tmp_path / "credit-risk"
    assert run_command_line(["demo", str(directory)]) == 0
    shown = capsys.readouterr().out
    for flaw in flaws():
        assert f"{flaw.what} " in shown
    assert "nobody" not in shown
    order = [
        "FAIL  11 checks",
        "PASS  11 checks: 11 passed",
        "UNKNOWN  11 checks",
        "accepted: credit-risk",
        "4 of 4 acts",
    ]
    assert [shown.index(text) for text in order] == sorted(shown.index(text) for text in order)
    assert (directory / ".demo" / "home" / "keys").is_dir()
    [told] = re.findall(r"```text\n(quilate .*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert "\n".join(without_times(told)) in "\n".join(without_times(shown)), "README.md shows another output"


@pytest.mark.slow
def test_the_demonstration_says_which_act_went_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def more() -> tuple[Flaw, ...]:
        return (*flaws(), Flaw(family="data", check="sast", rule="QL-X-1", place="x", what="a flaw that is not there"))

    monkeypatch.setattr("quilate.app.demo.flaws", more)
    monkeypatch.setattr("quilate.app.demo.apply_fixes", lambda _: ())
    assert run_command_line(["demo", str(tmp_path / "credit-risk")]) == 1
    shown = capsys.readouterr().out
    assert "act 1: not found: a flaw that is not there" in shown
    assert "act 2: the fixed project was not approved (exit 1)" in shown
    assert "0 of 4 acts" in shown
