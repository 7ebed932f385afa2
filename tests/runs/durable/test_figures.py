"""What workers count, and the trace that goes through them (C08)."""

from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.kit.database.database import Database
from quilate.kit.metrics import Metrics
from quilate.kit.tracing import configure_tracing, shut_down_tracing
from tests.support.durable import PROJECT_FILE, blueprint, ended, rows, running_worker, submission, submit

pytestmark = pytest.mark.asyncio

TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))


async def test_verdicts_and_durations_are_counted(database: Database, database_url: str, tmp_path: Path) -> None:
    metrics = Metrics()
    text = blueprint("{id: a_STAGE, type: TEST_TRIVIAL, required: true}", stages=2)
    async with running_worker(database_url, tmp_path, blueprint_text=text, metrics=metrics):
        for run in await submit(database, submission(), submission()):
            await ended(database, run.run_id)
    page = (await metrics.render()).decode()
    assert 'quilate_verdicts_total{verdict="PASS"} 2.0' in page
    assert 'quilate_check_duration_seconds_count{result="pass",type="TEST_TRIVIAL"} 4.0' in page
    assert 'quilate_run_duration_seconds_count{verdict="PASS"} 2.0' in page
    assert 'quilate_group_commit_size_count{group="steps"}' in page


async def test_one_trace_leads_from_the_request_to_the_check_and_the_decision(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TOKEN", "a token of the test")
    exporter = InMemorySpanExporter()
    configure_tracing("test", exporter=exporter)
    try:
        text = blueprint("{id: a_STAGE, type: TEST_PROGRAM, required: true}")
        sent = submission(
            traceparent=f"00-{TRACE}-b7ad6b7169203331-01", project_file=PROJECT_FILE + "secrets: {token: TEST_TOKEN}\n"
        )
        async with running_worker(database_url, tmp_path, blueprint_text=text):
            (run,) = await submit(database, sent)
            await ended(database, run.run_id)
        spans = exporter.get_finished_spans()
    finally:
        shut_down_tracing()
    assert [span.name for span in spans] == ["run.plan", "check.run", "run.decide"]
    assert {f"{span.context.trace_id:032x}" for span in spans if span.context} == {TRACE}
    check = next(span for span in spans if span.name == "check.run")
    assert check.attributes is not None
    assert check.attributes["cicd.pipeline.run.id"] == str(run.run_id)
    assert check.attributes["cicd.pipeline.task.run.result"] == "completed"
    logs = "".join(row["text"] for row in await rows(database, "SELECT text FROM check_logs ORDER BY sequence"))
    # The program of the check is told of its place in the trace.
    assert f"trace=00-{TRACE}-{check.context.span_id:016x}-01" in logs if check.context else False
