"""UNIT_TESTS runs real suites with pytest and reads any JUnit producer (C13, D07)."""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from quilate.checks.registry import load_check
from quilate.domain.errors import EvidenceError, EvidenceTimeoutError, ToolMissingError
from quilate.evidence.model import Evidence
from tests.support.check_runner import fact_values, rules_of, run_check
from tests.support.fork_jobs import DAEMON
from tests.support.processes import processes_with, unique_marker
from tests.support.projects import write_files

LIBRARY = "def sign(x):\n    if x < 0:\n        return -1\n    return 1\n"
GOOD = """\
from library import sign

def test_positive():
    assert sign(2) == 1

def test_negative():
    assert sign(-2) == -1
"""


def run_tests(
    directory: Path, *, binding: dict[str, Any] | None = None, timeout: float = 60, **parameters: Any
) -> Evidence:
    return run_check(
        "UNIT_TESTS",
        directory,
        parameters=parameters,
        binding=binding or {},
        interpreter=sys.executable,
        timeout=timeout,
    )


def test_a_good_suite_has_counts_and_exact_coverage(tmp_path: Path) -> None:
    write_files(tmp_path, {"src/library.py": LIBRARY, "tests/test_library.py": GOOD})

    evidence = run_tests(tmp_path, binding={"source": ["src"]}, min_coverage=Decimal("0.8"))

    assert rules_of(evidence) == []
    assert fact_values(evidence) == {
        "tests_total": "2", "tests_passed": "2", "tests_failed": "0", "tests_skipped": "0", "tests_flaky": "0",
        "coverage": "1", "coverage_covered": "6", "coverage_total": "6",
    }  # fmt: skip
    assert evidence.summary == "2 passed, coverage 1"
    assert {artifact.name for artifact in evidence.artifacts} == {"junit.xml", "coverage"}
    assert not (tmp_path / ".coverage").exists(), "the workspace stays as it was"


def test_a_failing_test_is_named_with_its_place(tmp_path: Path) -> None:
    write_files(tmp_path, {"library.py": LIBRARY, "test_library.py": GOOD.replace("== -1", "== 0")})

    evidence = run_tests(tmp_path)

    (finding,) = evidence.findings
    assert finding.rule == "QL-TST-001"
    assert "test_negative" in finding.message
    assert (finding.location.path, finding.location.line) == ("test_library.py", 6)
    assert [(attempt.attempt, attempt.passed) for attempt in evidence.test_attempts] == [(1, False), (2, False)]
    assert evidence.summary == "1 passed, 1 failed"


def test_fail_then_pass_is_flaky_with_both_attempts(tmp_path: Path) -> None:
    marker = tmp_path / "outside" / "tried"
    marker.parent.mkdir()
    wobbly = (
        "import pathlib\n\nclass TestWobbly:\n    def test_wobbles(self):\n"
        f"        p = pathlib.Path({str(marker)!r})\n"
        "        tried = p.exists()\n        p.touch()\n        assert tried\n"
        "\ndef test_steady():\n    pass\n"
    )
    project = write_files(tmp_path / "project", {"tests/test_wobbly.py": wobbly})

    evidence = run_tests(project)

    (finding,) = evidence.findings
    assert (finding.rule, finding.severity) == ("QL-TST-003", "low")
    assert [(attempt.attempt, attempt.passed) for attempt in evidence.test_attempts] == [(1, False), (2, True)]
    assert fact_values(evidence)["tests_flaky"] == "1"
    assert fact_values(evidence)["tests_passed"] == "2"


def test_parametrised_tests_run_again_by_their_own_id(tmp_path: Path) -> None:
    suite = "import pytest\n\n@pytest.mark.parametrize('x', ['a b', 'c::d'])\ndef test_p(x):\n    assert x == 'a b'\n"
    write_files(tmp_path, {"test_p.py": suite})

    evidence = run_tests(tmp_path)

    assert rules_of(evidence) == ["QL-TST-001"]
    assert len(evidence.test_attempts) == 2


def test_coverage_below_the_limit_names_what_is_covered_least(tmp_path: Path) -> None:
    suite = "from library import sign\n\ndef test_positive():\n    assert sign(2) == 1\n"
    write_files(tmp_path, {"library.py": LIBRARY, "test_library.py": suite})

    evidence = run_tests(tmp_path, binding={"source": ["."]}, min_coverage=Decimal("0.95"))

    (finding,) = evidence.findings
    assert finding.rule == "QL-TST-002"
    assert finding.limit == "at least 0.95"
    assert "library.py (4/6)" in finding.fix


def test_coverage_just_below_the_limit_is_not_shown_as_the_limit(tmp_path: Path) -> None:
    report = '{"totals": {"covered_lines": 79999, "num_statements": 100000}, "files": {}}'
    junit = '<testsuite><testcase classname="a" name="b"/></testsuite>'
    write_files(tmp_path, {"junit.xml": junit, "coverage.json": report})

    evidence = run_tests(
        tmp_path, binding={"junit": "junit.xml", "coverage": "coverage.json"}, min_coverage=Decimal("0.8")
    )

    assert evidence.findings[0].measured.startswith("0.7999 ")
    assert fact_values(evidence)["coverage"] == "0.79999"


def test_no_test_at_all_is_never_a_pass(tmp_path: Path) -> None:
    write_files(tmp_path, {"module.py": "x = 1\n"})

    assert rules_of(run_tests(tmp_path)) == ["QL-TST-004"]


def test_skipped_tests_do_not_count_as_tests_that_ran(tmp_path: Path) -> None:
    write_files(tmp_path, {"test_s.py": "import pytest\n\n@pytest.mark.skip\ndef test_s():\n    pass\n"})

    assert rules_of(run_tests(tmp_path)) == ["QL-TST-004"]


def test_no_test_at_all_never_passes(tmp_path: Path) -> None:
    write_files(tmp_path, {"module.py": "x = 1\n"})

    assert rules_of(run_tests(tmp_path, min_tests=0)) == ["QL-TST-004"]


def test_a_module_that_cannot_be_collected_is_a_finding(tmp_path: Path) -> None:
    write_files(tmp_path, {"test_a.py": "import no_such_module\n", "test_b.py": "def test_b():\n    pass\n"})

    assert "QL-TST-005" in rules_of(run_tests(tmp_path))


def test_a_broken_configuration_is_an_error_with_what_pytest_says(tmp_path: Path) -> None:
    write_files(tmp_path, {"test_a.py": "def test_a(): pass\n", "pytest.ini": "[pytest]\naddopts = --no-such-option\n"})

    with pytest.raises(EvidenceError, match="no-such-option"):
        run_tests(tmp_path)


def test_a_suite_that_hangs_is_a_time_out(tmp_path: Path) -> None:
    write_files(tmp_path, {"test_h.py": "import time\n\ndef test_h():\n    time.sleep(60)\n"})

    with pytest.raises(EvidenceTimeoutError, match="longer than 2 s"):
        run_tests(tmp_path, timeout=2)


def test_a_suite_that_prints_a_gigabyte_is_read_in_bounded_memory(tmp_path: Path) -> None:
    program = "import sys\npiece = 'x' * (1 << 20)\nfor _ in range(1024):\n    sys.stdout.write(piece)\n"
    report = "open('junit.xml', 'w').write('<testsuite><testcase name=\"a\"/></testsuite>')\n"
    write_files(tmp_path, {"suite.py": program + report})

    evidence = run_tests(tmp_path, binding={"argv": [sys.executable, "suite.py"], "junit": "junit.xml"})

    assert evidence.summary == "1 passed"


def test_an_interpreter_without_pytest_is_a_missing_tool_with_its_command(tmp_path: Path) -> None:
    import venv  # noqa: PLC0415 - the one test that makes an environment

    venv.create(tmp_path / "bare", with_pip=False)
    write_files(tmp_path / "project", {"test_a.py": "def test_a(): pass\n"})
    python = str(tmp_path / "bare" / "bin" / "python")

    with pytest.raises(ToolMissingError, match="pytest not installed") as raised:
        run_check("UNIT_TESTS", tmp_path / "project", interpreter=python)

    assert f"{python} -m pip install pytest" in raised.value.next_step


def test_no_interpreter_is_an_error_that_says_how_to_name_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)

    with pytest.raises(EvidenceError, match="no interpreter") as raised:
        run_check("UNIT_TESTS", tmp_path)

    assert "quilate.yaml" in raised.value.next_step
    assert "operator" in raised.value.next_step


def test_canary_is_red(tmp_path: Path) -> None:
    canary = load_check("UNIT_TESTS").canary(tmp_path)

    assert rules_of(run_tests(tmp_path)) == list(canary.expected_rules)


def test_an_early_stop_that_the_project_asks_for_hides_no_later_failure(tmp_path: Path) -> None:
    tests = "def test_a():\n    assert 0\n\ndef test_b():\n    assert 0\n\ndef test_c():\n    pass\n"
    write_files(tmp_path, {"pytest.ini": "[pytest]\naddopts = -x --ff\n", "test_all.py": tests})

    evidence = run_tests(tmp_path)

    assert rules_of(evidence) == ["QL-TST-001", "QL-TST-001"]
    assert fact_values(evidence)["tests_total"] == "3"


@pytest.mark.parametrize("kept_away", ["--disable-plugin-autoload", "-p no:pytest_cov"])
def test_a_project_that_keeps_plugins_from_loading_is_judged_all_the_same(tmp_path: Path, kept_away: str) -> None:
    configuration = f"[pytest]\naddopts = {kept_away}\n"
    write_files(tmp_path, {"pytest.ini": configuration, "test_a.py": "def test_a():\n    pass\n"})

    assert run_tests(tmp_path).summary == "1 passed"


@pytest.mark.parametrize(
    "leaving", ["import pytest; pytest.exit('enough')", "import os; os._exit(0)", "import os; os.kill(os.getpid(), 11)"]
)
def test_a_suite_that_leaves_half_way_is_an_error(tmp_path: Path, leaving: str) -> None:
    tests = f"def test_a():\n    pass\n\ndef test_b():\n    {leaving}\n\ndef test_c():\n    assert 0\n"
    write_files(tmp_path, {"test_all.py": tests})

    with pytest.raises(EvidenceError, match="pytest did not run all tests"):
        run_tests(tmp_path)


def test_a_module_that_cannot_be_collected_is_named_and_the_others_run_once(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    count = f"import pathlib, time\ndef test_b():\n    pathlib.Path({str(outside)!r}, str(time.time_ns())).touch()\n"
    project = write_files(
        tmp_path / "project", {"tests/test_a.py": "import no_such_module\n", "tests/test_b.py": count}
    )

    evidence = run_tests(project)

    (finding,) = evidence.findings
    assert (finding.rule, finding.location.path) == ("QL-TST-005", "tests/test_a.py")
    assert "no_such_module" in finding.message
    assert fact_values(evidence)["tests_passed"] == "1"
    assert len(list(outside.iterdir())) == 1


def test_places_are_relative_to_the_workspace_wherever_the_tests_are(tmp_path: Path) -> None:
    write_files(tmp_path, {"service/tests/unit/test_a.py": "def test_a():\n    assert 0\n"})

    evidence = run_tests(tmp_path, binding={"paths": ["service/tests/unit"]})

    assert evidence.findings[0].location.path == "service/tests/unit/test_a.py"
    assert len(evidence.test_attempts) == 2


@pytest.mark.parametrize("path", ["--collect-only", "../elsewhere", "missing"])
def test_a_bound_path_that_is_none_of_the_workspace_is_an_error(tmp_path: Path, path: str) -> None:
    write_files(tmp_path / "project", {"test_a.py": "def test_a(): pass\n"})
    write_files(tmp_path / "elsewhere", {"test_b.py": "def test_b(): pass\n"})

    with pytest.raises(EvidenceError, match=path):
        run_tests(tmp_path / "project", binding={"paths": [path]})


def test_the_projects_own_coverage_configuration_holds(tmp_path: Path) -> None:
    config = "[run]\nsource = library\nparallel = true\n[report]\nexclude_also = pragma\n"
    write_files(
        tmp_path, {".coveragerc": config, "library.py": LIBRARY, "unused.py": "x = 1\n" * 50, "test_library.py": GOOD}
    )

    evidence = run_tests(tmp_path, min_coverage=Decimal("0.9"))

    assert rules_of(evidence) == []
    assert (fact_values(evidence)["coverage"], fact_values(evidence)["coverage_total"]) == ("1", "6")


def test_a_source_file_that_no_test_imports_lowers_coverage(tmp_path: Path) -> None:
    write_files(tmp_path, {"src/library.py": LIBRARY, "src/unused.py": "x = 1\n" * 6, "test_library.py": GOOD})

    evidence = run_tests(tmp_path, min_coverage=Decimal("0.9"))

    assert rules_of(evidence) == ["QL-TST-002"]
    assert fact_values(evidence)["coverage"] == "0.5"


def test_a_source_file_that_cannot_be_measured_is_an_error_not_a_higher_coverage(tmp_path: Path) -> None:
    write_files(tmp_path, {"src/library.py": LIBRARY, "src/broken.py": "def (:\n", "test_library.py": GOOD})

    with pytest.raises(EvidenceError, match=r"broken\.py"):
        run_tests(tmp_path, min_coverage=Decimal("0.5"))


def test_a_secret_in_a_failure_is_masked_in_every_attempt(tmp_path: Path) -> None:
    token = "ghp_" + "A1b2C3d4E5f6G7h8I9j0" + "K1l2M3n4O5p6Q7r8"
    write_files(tmp_path, {"test_a.py": f"def test_a():\n    raise ValueError({token!r})\n"})

    evidence = run_tests(tmp_path)

    assert len(evidence.test_attempts) == 2
    assert token not in repr(evidence)


def test_daemons_that_a_suite_leaves_have_ended(tmp_path: Path) -> None:
    marker = unique_marker("suite")
    test = (
        "import subprocess, sys\n\ndef test_a():\n"
        f"    subprocess.run([sys.executable, '-c', {DAEMON.format(marker=marker)!r}], check=True)\n"
    )
    write_files(tmp_path, {"test_a.py": test})

    assert fact_values(run_tests(tmp_path))["tests_passed"] == "1"
    assert processes_with(marker) == []


def test_programs_beside_the_projects_interpreter_are_found(tmp_path: Path) -> None:
    test = "import pathlib, shutil, sys\n\ndef test_a():\n    beside = pathlib.Path(sys.executable).parent / 'pytest'\n"
    write_files(tmp_path, {"test_a.py": test + "    assert shutil.which('pytest') == str(beside)\n"})

    assert rules_of(run_tests(tmp_path)) == []
