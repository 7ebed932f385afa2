"""LOAD_TEST against real HTTP servers on loopback, and its interval against simulation (C16)."""

import contextlib
import http.server
import itertools
import json
import random
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quilate.checks.delivery.latency.statistics import (
    estimate_quantile,
    needed_sample,
    quantile_ranks,
    smallest_sample,
)
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.evidence.model import Evidence
from quilate.runs.canaries import run_canary
from tests.support.check_runner import run_check
from tests.support.servers import QuietServer, serving


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers with whatever the test's function says."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    answer: Callable[["Handler", bytes], None]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        type(self).answer(self, body)

    do_GET = do_POST = handle_any  # noqa: N815 - the names that http.server calls

    def reply(self, status: int = 200, content: bytes = b"{}", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


Serve = Callable[[Callable[[Handler, bytes], None]], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(answer: Callable[[Handler, bytes], None]) -> str:
            handler = type("TestHandler", (Handler,), {"answer": answer})
            port = stack.enter_context(serving(QuietServer(("127.0.0.1", 0), handler)))
            return f"http://127.0.0.1:{port}/score"

        yield start


def load(directory: Path, url: str, *, binding: dict[str, Any] | None = None, **parameters: Any) -> Evidence:
    timeout = parameters.pop("timeout", 60.0)
    merged = {"max_latency_ms_p95": 250, "requests": 80, "warmup": 4} | parameters
    return run_check(
        "LOAD_TEST", directory, parameters=merged, binding={"url": url, **(binding or {})}, timeout=timeout
    )


def facts(evidence: Evidence) -> dict[str, Any]:
    return {fact.name: fact for fact in evidence.facts}


def test_a_fast_service_passes_with_an_interval(tmp_path: Path, serve: Serve) -> None:
    evidence = load(tmp_path, serve(lambda handler, _: handler.reply()))
    assert (evidence.findings, evidence.undecided) == ((), ())
    p95 = facts(evidence)["latency_ms_p95"]
    assert p95.sample_size == 80
    assert 0 < float(p95.low) <= float(p95.value) <= float(p95.high) < 250
    assert facts(evidence)["requests_sent"].value == "80"
    assert facts(evidence)["error_ratio"].value == "0"
    assert float(facts(evidence)["requests_per_second"].value) > 0


def test_a_slow_service_is_found_without_sending_everything(tmp_path: Path, serve: Serve) -> None:
    pause = threading.Event()

    def slow(handler: Handler, _: bytes) -> None:
        pause.wait(0.03)
        handler.reply()

    evidence = load(tmp_path, serve(slow), max_latency_ms_p95=10, requests=200)
    (finding,) = evidence.findings
    assert (finding.rule, finding.limit) == ("QL-LOD-001", "at most 10 ms")
    p95 = facts(evidence)["latency_ms_p95"]
    assert float(p95.low) > 10
    assert p95.sample_size < 40
    assert "already decide it" in evidence.notes[0]


def test_a_limit_inside_the_interval_is_undecided_and_says_how_many_requests(tmp_path: Path, serve: Serve) -> None:
    pause, count = threading.Event(), itertools.count()

    def sometimes_slow(handler: Handler, _: bytes) -> None:
        if next(count) % 20 == 0:
            pause.wait(0.3)
        handler.reply()

    evidence = load(tmp_path, serve(sometimes_slow), max_latency_ms_p95=200, requests=100, warmup=0)
    assert evidence.findings == ()
    (open_question,) = evidence.undecided
    assert open_question.subject == "latency_ms_p95"
    assert "the limit 200 ms lies inside" in open_question.reason


def test_too_few_requests_never_pass(tmp_path: Path, serve: Serve) -> None:
    evidence = load(tmp_path, serve(lambda handler, _: handler.reply()), requests=20)
    (open_question,) = evidence.undecided
    assert (open_question.needed_sample, open_question.next_step) == (73, "send about 73 requests")
    assert facts(evidence)["latency_ms_p95"].high is None


def test_failed_requests_are_counted_by_reason(tmp_path: Path, serve: Serve) -> None:
    count = itertools.count()

    def failing(handler: Handler, _: bytes) -> None:
        handler.reply(500 if next(count) % 4 == 0 else 200)

    url = serve(failing)
    (finding,) = load(tmp_path, url, warmup=0, requests=100).findings
    assert (finding.rule, finding.measured) == ("QL-LOD-002", "25 of 100 (status 500: 25)")
    assert load(tmp_path, url, warmup=0, requests=100, max_error_ratio="0.25").findings == ()


def test_a_service_that_only_fails_has_no_latency_and_never_passes(tmp_path: Path, serve: Serve) -> None:
    evidence = load(tmp_path, serve(lambda handler, _: handler.reply(503)), max_error_ratio=1)
    assert evidence.findings == ()
    assert evidence.undecided[0].subject == "latency_ms_p95"
    assert facts(evidence)["latency_ms_p95"].value is None


def test_requests_without_answer_count_as_errors_and_as_slow(tmp_path: Path, serve: Serve) -> None:
    pause = threading.Event()

    def silent(handler: Handler, _: bytes) -> None:
        pause.wait(0.5)
        handler.close_connection = True

    evidence = load(
        tmp_path,
        serve(silent),
        requests=72,
        warmup=0,
        concurrency=16,
        request_timeout_seconds="0.1",
        max_latency_ms_p95=50,
    )
    assert {finding.rule for finding in evidence.findings} == {"QL-LOD-001", "QL-LOD-002"}


def test_it_ends_when_its_time_is_up(tmp_path: Path, serve: Serve) -> None:
    pause = threading.Event()

    def slow(handler: Handler, _: bytes) -> None:
        pause.wait(0.05)
        handler.reply()

    evidence = load(tmp_path, serve(slow), requests=5000, timeout=0.8)
    assert "before the check's time was up" in evidence.notes[0]
    assert int(facts(evidence)["requests_sent"].value) < 100
    assert evidence.undecided


def test_a_slow_services_warm_up_is_curtailed_and_says_so(tmp_path: Path, serve: Serve) -> None:
    pause, asked = threading.Event(), itertools.count()

    def slow_at_first(handler: Handler, _: bytes) -> None:
        pause.wait(0.2 if next(asked) < 4 else 0)
        handler.reply()

    url = serve(slow_at_first)
    evidence = load(tmp_path, url, warmup=10, warmup_seconds="0.1")
    assert (evidence.findings, evidence.undecided) == ((), ())
    assert evidence.notes == ("the warm-up ended after 4 of 10 requests: they took `warmup_seconds` or longer",)
    assert next(asked) == 4 + 80
    assert load(tmp_path, url, warmup=10).notes == ()
    assert next(asked) == 4 + 80 + 1 + 10 + 80


def test_body_headers_and_secrets_are_sent_and_secrets_not_told(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, Any, str, str]] = []

    def record(handler: Handler, body: bytes) -> None:
        headers = handler.headers
        seen.append((handler.command, json.loads(body), headers["Content-Type"], headers["X-Team"]))
        handler.reply()

    binding = {"method": "POST", "body": {"income": 1200}, "headers": {"X-Team": "credit"}}
    load(tmp_path, serve(record), binding=binding)
    assert set(map(str, seen)) == {str(("POST", {"income": 1200}, "application/json", "credit"))}
    with pytest.raises(EvidenceError, match="secret 'token' is not set"):
        load(tmp_path, "http://127.0.0.1:9/", binding={"secret_headers": {"Authorization": "token"}})


def test_redirects_stay_on_the_host(tmp_path: Path, serve: Serve) -> None:
    def within(handler: Handler, _: bytes) -> None:
        if handler.path == "/score":
            handler.reply(307, b"", Location="/score/")
        else:
            handler.reply()

    assert load(tmp_path, serve(within)).findings == ()
    elsewhere = serve(lambda handler, _: handler.reply())
    away = serve(lambda handler, _: handler.reply(302, b"", Location=elsewhere))
    (finding,) = [finding for finding in load(tmp_path, away).findings if finding.rule == "QL-LOD-002"]
    assert finding.measured == "80 of 80 (redirect to another host: 80)"


def test_nobody_listening_is_no_evidence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EvidenceError, match="could not be measured: no connection"):
        load(tmp_path, f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    ("binding", "reason"),
    [
        ({"url": "file:///etc/passwd"}, "must begin with http:// or https://"),
        ({"url": "http://user:word@127.0.0.1/"}, "holds a user or a password"),
        ({"url": "http://127.0.0.1:9/", "headers": {"X": "a\r\nHost: b"}}, "characters that HTTP does not allow"),
        ({"url": "http://127.0.0.1:9/", "headers": {"X Y": "a"}}, "characters that HTTP does not allow"),
    ],
)
def test_hostile_bindings_are_refused(tmp_path: Path, binding: dict[str, Any], reason: str) -> None:
    with pytest.raises(EvidenceError, match=reason):
        run_check("LOAD_TEST", tmp_path, parameters={"max_latency_ms_p95": 250}, binding=binding)


@pytest.mark.parametrize(
    "parameters",
    [
        {"requests": 0},
        {"requests": 10**9},
        {"concurrency": 1000},
        {"confidence": 1},
        {"request_timeout_seconds": 0},
        {"warmup_seconds": -1},
    ],
)
def test_senseless_parameters_are_refused(tmp_path: Path, parameters: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(parameters))):
        load(tmp_path, "http://127.0.0.1:9/", **parameters)


def test_the_interval_covers_the_true_percentile_as_often_as_it_says() -> None:
    generator = random.Random(7)  # noqa: S311 - a simulation
    true = 2.995732273553991  # 95th percentile of the exponential distribution with mean one
    covered = 0
    for _ in range(1000):
        estimate = estimate_quantile(sorted(generator.expovariate(1) for _ in range(200)), 0.95, 0.95)
        assert estimate.low is not None
        assert estimate.high is not None
        covered += estimate.low <= true <= estimate.high
    assert covered >= 940


def test_ranks_are_those_of_the_textbook() -> None:
    assert smallest_sample(0.95, 0.95) == 72
    assert quantile_ranks(71, 0.95, 0.95).high is None
    assert quantile_ranks(72, 0.95, 0.95).high == 72
    assert quantile_ranks(100, 0.5, 0.95) == quantile_ranks(100, 0.5, 0.95)
    ranks = quantile_ranks(100, 0.5, 0.95)
    assert (ranks.low, ranks.high) == (40, 61)
    assert needed_sample(95, 100, 0.95, 0.95) is None
    assert needed_sample(99, 100, 0.95, 0.95) == 115


def test_stopping_early_never_changes_the_decision() -> None:
    """Whenever so many are slow that the full sample must fail, the sample up to there fails as well."""
    for planned in (80, 200, 500):
        low = quantile_ranks(planned, 0.95, 0.95).low
        assert low is not None
        enough = planned + 1 - low
        for sent in range(enough, planned + 1):
            own = quantile_ranks(sent, 0.95, 0.95).low
            assert own is not None
            assert own > sent - enough


def test_its_canary_is_red() -> None:
    assert run_canary("LOAD_TEST", "").red
