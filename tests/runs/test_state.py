"""The state machine of a run (C04): what may start, what is settled without running, retries, cancellation."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from quilate.blueprints.model import PlannedCheck
from quilate.domain.ids import CheckId
from quilate.domain.verdict import CheckResult, Completion, RunStatus
from quilate.policy.model import Truth
from quilate.runs.state import Attempt, Changes, Graph, Judge, Snapshot, advance, cancel, graph_of, initial_snapshot
from tests.support.plans import completed, planned, scripted_judge

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "run-states.md"


def begin(
    *checks: PlannedCheck,
    results: Mapping[str, CheckResult] | None = None,
    conditions: Mapping[str, Truth] | None = None,
    gate: Truth = Truth.TRUE,
) -> tuple[Graph, Judge, Changes]:
    graph = graph_of(checks)
    judged = scripted_judge(results, conditions, gate)
    return graph, judged, advance(graph, initial_snapshot(graph), {}, judged)


def test_checks_without_needs_start_together_and_others_wait_for_every_need() -> None:
    graph, judge, changes = begin(planned("a"), planned("b"), planned("c", needs=("a", "b")))

    assert changes.ready == ("a", "b")
    changes = advance(graph, changes.snapshot, {CheckId("a"): completed()}, judge)
    assert changes.ready == ()
    changes = advance(graph, changes.snapshot, {CheckId("b"): completed()}, judge)
    assert changes.ready == ("c",)
    changes = advance(graph, changes.snapshot, {CheckId("c"): completed()}, judge)
    assert changes.finished


def test_a_failed_check_does_not_hide_the_ones_after_it() -> None:
    graph, judge, changes = begin(
        planned("a"), planned("b", needs=("a",), stage="two"), results={"a": CheckResult.FAIL}
    )

    changes = advance(graph, changes.snapshot, {CheckId("a"): completed()}, judge)

    assert changes.snapshot[CheckId("a")].status is RunStatus.FAILED
    assert changes.ready == ("b",)


def test_a_check_with_effects_runs_only_behind_an_open_gate() -> None:
    deploy = planned("deploy", effects=True)
    graph, judge, changes = begin(planned("look"), deploy, gate=Truth.UNKNOWN)
    assert changes.ready == ("look",), "effects wait for the checks of their own stage"

    changes = advance(graph, changes.snapshot, {CheckId("look"): completed()}, judge)

    assert changes.finished
    assert changes.snapshot[CheckId("deploy")].last.completion is Completion.SKIPPED

    graph, judge, changes = begin(planned("look"), deploy)
    changes = advance(graph, changes.snapshot, {CheckId("look"): completed()}, judge)
    assert changes.ready == ("deploy",)


def test_effects_never_wait_for_what_waits_for_them_however_indirectly() -> None:
    deploy = planned("deploy", effects=True)
    smoke = planned("smoke", needs=("deploy",))
    report = planned("report", needs=("smoke",))

    _, _, changes = begin(report, smoke, deploy)

    assert changes.ready == ("deploy",)


@pytest.mark.parametrize(
    ("truth", "completion", "status"),
    [
        (Truth.FALSE, Completion.NOT_APPLICABLE, RunStatus.SUCCEEDED),
        (Truth.UNKNOWN, Completion.SKIPPED, RunStatus.FAILED),
    ],
)
def test_when_settles_a_check_without_running_it(truth: Truth, completion: Completion, status: RunStatus) -> None:
    _, _, changes = begin(
        planned("a", when=("condition",)), planned("b", needs=("a",)), conditions={"condition": truth}
    )

    assert changes.snapshot[CheckId("a")].last.completion is completion
    assert changes.snapshot[CheckId("a")].status is status
    assert changes.ready == ("b",), "what is settled at once releases the checks behind it in the same step"


def test_one_false_condition_outweighs_an_unknown_one() -> None:
    _, _, changes = begin(
        planned("a", when=("open", "closed")), conditions={"open": Truth.UNKNOWN, "closed": Truth.FALSE}
    )

    assert changes.snapshot[CheckId("a")].last.completion is Completion.NOT_APPLICABLE


def test_retries_keep_every_attempt() -> None:
    graph, judge, changes = begin(planned("a", retries=1))
    broken = Attempt(completion=Completion.ERROR, reason="the tool crashed")

    changes = advance(graph, changes.snapshot, {CheckId("a"): broken}, judge)
    assert changes.ready == ("a",)
    changes = advance(graph, changes.snapshot, {CheckId("a"): completed()}, judge)

    run = changes.snapshot[CheckId("a")]
    assert [attempt.completion for attempt in run.attempts] == [Completion.ERROR, Completion.COMPLETED]
    assert run.status is RunStatus.SUCCEEDED


def test_retries_end_and_an_undecided_check_is_not_retried() -> None:
    graph, judge, changes = begin(
        planned("a", retries=1), planned("b", retries=3), results={"b": CheckResult.UNDECIDED}
    )
    broken = Attempt(completion=Completion.TIMED_OUT)

    changes = advance(graph, changes.snapshot, {CheckId("a"): broken, CheckId("b"): completed()}, judge)
    assert changes.ready == ("a",)
    changes = advance(graph, changes.snapshot, {CheckId("a"): broken}, judge)

    assert changes.finished
    assert changes.snapshot[CheckId("a")].status is RunStatus.FAILED


def test_cancelling_keeps_what_has_ended() -> None:
    graph, judge, changes = begin(planned("a"), planned("b", needs=("a",)))
    changes = advance(graph, changes.snapshot, {CheckId("a"): completed()}, judge)

    cancelled = cancel(changes.snapshot)

    assert cancelled[CheckId("a")].status is RunStatus.SUCCEEDED
    assert cancelled[CheckId("b")].status is RunStatus.CANCELLED
    assert cancelled[CheckId("b")].last.completion is Completion.CANCELLED


def test_needs_outside_a_partial_plan_are_left_out() -> None:
    _, _, changes = begin(planned("late", needs=("early",)))

    assert changes.ready == ("late",)


def test_the_drawing_shows_exactly_the_transitions_that_the_code_makes() -> None:
    text = DOCUMENT.read_text(encoding="utf-8").partition("## The steps of a durable run")[0]
    drawn = {(match[1], match[2]) for match in re.finditer(r"^\s+(\w+) --> (\w+):", text, re.MULTILINE)}
    made: set[tuple[str, str]] = set()

    def note(before: Snapshot, after: Snapshot) -> None:
        for check_id, run in after.items():
            was = before[check_id].status
            if was is not run.status:
                made.add((was.value, run.status.value))

    for result in (CheckResult.PASS, CheckResult.WARN, CheckResult.FAIL, CheckResult.UNDECIDED, CheckResult.ERROR):
        for truth in Truth:
            conditional = planned("c", when=("x",))
            graph, judge, changes = begin(
                planned("a", retries=1), conditional, results={"a": result}, conditions={"x": truth}
            )
            start = initial_snapshot(graph)
            note(start, changes.snapshot)
            note(start, cancel(start))
            note(changes.snapshot, cancel(changes.snapshot))
            again = advance(graph, changes.snapshot, {CheckId("a"): completed()}, judge)
            # A retry goes back to the queue and starts again within one step, so the step is taken apart here.
            run = again.snapshot[CheckId("a")]
            if run.status is RunStatus.RUNNING:
                made.add(("running", "queued"))
                again = advance(graph, again.snapshot, {CheckId("a"): completed()}, judge)
            note(changes.snapshot, again.snapshot)

    assert made == drawn
