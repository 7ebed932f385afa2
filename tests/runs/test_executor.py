"""The local executor: concurrency, exclusive checks, time-outs, faults, cancellation (C04)."""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quilate.blueprints.model import PlannedCheck
from quilate.checks.api import Isolation
from quilate.checks.context import ContextSpec
from quilate.domain.severity import Severity
from quilate.domain.verdict import Completion
from quilate.runs.executor import LocalExecutor
from quilate.runs.state import Attempt
from tests.support.plans import planned
from tests.support.processes import processes_with, unique_marker


@pytest.fixture
def executor() -> Iterator[LocalExecutor]:
    made = LocalExecutor(concurrency=4)
    yield made
    made.close()


def command(tmp_path: Path, name: str, program: str, **options: Any) -> tuple[PlannedCheck, ContextSpec]:
    """Return a COMMAND check that runs a Python program."""
    scratch = tmp_path / f"scratch-{name}"
    scratch.mkdir()
    workspace = tmp_path / "workspace"
    workspace.mkdir(exist_ok=True)
    check_type = options.pop("check_type", "COMMAND")
    spec = ContextSpec(
        check_id=name,
        check_type=check_type,
        parameters={
            "argv": [sys.executable, "-c", program], "outputs": [], "expected_exit": 0, "environment": [],
            "in_place": False, "cacheable": False,
        },
        binding={},
        severity_threshold=Severity.LOW,
        workspace_root=str(workspace),
        workspace_paths=(),
        scratch=str(scratch),
        artifacts=str(tmp_path / "artifacts"),
        timeout_seconds=options.pop("timeout", 30.0),
    )  # fmt: skip
    return planned(name, **options), spec


def collect(executor: LocalExecutor, count: int) -> dict[str, Attempt]:
    found: dict[str, Attempt] = {}
    limit = time.monotonic() + 60
    while len(found) < count and time.monotonic() < limit:
        found.update({str(name): attempt for name, attempt in executor.next_completions(1.0).items()})
    return found


def test_checks_in_children_and_threads_all_come_back(tmp_path: Path, executor: LocalExecutor) -> None:
    for number in range(6):
        executor.start(*command(tmp_path, f"child-{number}", "pass"))
    for number in range(3):
        executor.start(*command(tmp_path, f"thread-{number}", "pass", isolation=Isolation.THREAD))

    found = collect(executor, 9)

    assert {attempt.completion for attempt in found.values()} == {Completion.COMPLETED}
    assert len(found) == 9


def test_an_exclusive_check_has_nothing_beside_it(tmp_path: Path, executor: LocalExecutor) -> None:
    log = tmp_path / "log"
    program = (
        "import json, sys, time\nbegin = time.monotonic()\ntime.sleep(0.15)\n"
        f"open({str(log)!r}, 'a').write(json.dumps([NAME, begin, time.monotonic()]) + '\\n')"
    )
    for name in ("before", "alone", "after"):
        isolation = Isolation.EXCLUSIVE if name == "alone" else Isolation.PROCESS
        executor.start(*command(tmp_path, name, program.replace("NAME", repr(name)), isolation=isolation))

    collect(executor, 3)

    spans = {name: (begin, end) for name, begin, end in map(json.loads, log.read_text("utf-8").splitlines())}
    begin, end = spans.pop("alone")
    assert all(other_end <= begin or other_begin >= end for other_begin, other_end in spans.values())


def test_a_check_type_that_breaks_is_an_error_with_its_traceback(tmp_path: Path, executor: LocalExecutor) -> None:
    executor.start(*command(tmp_path, "broken", "pass", check_type="NO_SUCH_TYPE"))
    check, spec = command(tmp_path, "crashing", "pass")
    executor.start(check, spec)

    found = collect(executor, 2)

    assert found["broken"].completion is Completion.ERROR
    assert "NO_SUCH_TYPE" in found["broken"].reason
    assert found["crashing"].completion is Completion.COMPLETED


def test_a_tool_that_runs_out_of_time_is_timed_out(tmp_path: Path, executor: LocalExecutor) -> None:
    executor.start(*command(tmp_path, "slow", "import time; time.sleep(60)", timeout=0.5))

    attempt = collect(executor, 1)["slow"]

    assert attempt.completion is Completion.TIMED_OUT
    assert "longer than 0.5 s" in attempt.reason


def test_closing_ends_what_runs(tmp_path: Path) -> None:
    marker = unique_marker("executor")
    started = tmp_path / "started"
    executor = LocalExecutor()
    program = f"import time; open({str(started)!r}, 'w'); time.sleep(600)  # {marker}"
    executor.start(*command(tmp_path, "long", program))
    limit = time.monotonic() + 30
    while not started.exists() and time.monotonic() < limit:
        time.sleep(0.01)
    assert started.exists()

    executor.close()

    assert processes_with(marker) == []
