"""Latency of an HTTP endpoint under load: the 95th percentile with its confidence interval.

Why: A mean hides the slow answers that users remember, and a percentile of a few requests is a guess. So the 95th
percentile comes with an interval that needs no assumption about the distribution, and a limit inside it is undecided.

Input: Binding ``url``, ``method``, ``body`` (JSON), ``headers`` (names to values), ``secret_headers`` (names to
secrets of the project file), ``ca_file`` (PEM file in the workspace that replaces the system's trust store). Redirects
are followed within the same host only.

Facts: ``latency_ms_p50``, ``latency_ms_p95``, ``latency_ms_p99`` with interval and sample size, in milliseconds from
sending to the last byte of the answer; ``requests_sent``; ``requests_per_second``; ``error_ratio`` (a count of what
happened, so without interval). Requests that run out of time count as errors and, with the time they took, as slow.

Limits: ``max_latency_ms_p95``, ``max_error_ratio``; how much is sent: ``requests``, ``concurrency``,
``request_timeout_seconds``, ``confidence``; before, and not measured, ``warmup`` requests, of which no more are begun
once they have taken ``warmup_seconds``. Once so many requests were slow that no further answer could change the
outcome, the rest is not sent (curtailed sampling: the decision is the one of the whole sample).

Findings: ``QL-LOD-001`` the 95th percentile is above its limit, ``QL-LOD-002`` too many requests failed.

Raises: EvidenceError when nobody answers or the binding is no usable address.

Source: interval by order statistics, Hahn and Meeker, Statistical Intervals, section 5.2. 200 requests bound a 95th
percentile from above with 95 % confidence (72 is the least) and leave room for one slow answer in forty. A warm-up is
for what only the first answers pay for (connections, lazy loading): its first round at full concurrency always runs.
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.delivery.latency.statistics import (
    QuantileEstimate,
    estimate_quantile,
    needed_sample,
    quantile_ranks,
    smallest_sample,
)
from quilate.checks.endpoints import (
    Endpoint,
    is_listening,
    parse_endpoint,
    read_authorities,
    require_reachable_address,
)
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Evidence,
    Fact,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    number_fact,
)
from quilate.kit.words import counted

if TYPE_CHECKING:
    from quilate.checks.delivery.latency.client import Measurement, RequestPlan

MAX_REQUESTS = 100_000
"""No blueprint may ask for more requests, nor for more than ``MAX_CONCURRENCY`` at once."""
MAX_CONCURRENCY = 256

_QUANTILES = ((50, 0.5), (95, 0.95), (99, 0.99))
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_SHARE_OF_TIME = 0.8
_CANARY_SERVER = """\
import http.server
import sys
import time


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        time.sleep(0.05)
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestParameters:
    """The blueprint's keys; ratios between zero and one, times as their names say."""

    max_latency_ms_p95: Decimal
    max_error_ratio: Decimal
    requests: int
    concurrency: int
    warmup: int
    warmup_seconds: Decimal
    request_timeout_seconds: Decimal
    confidence: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTestBinding:
    """The project file's keys: which request is sent."""

    url: str
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET"
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""


class LoadTest:
    """Sends a bounded number of requests and judges how long the answers took."""

    parameters: ClassVar[type] = LoadTestParameters
    binding: ClassVar[type] = LoadTestBinding
    type: ClassVar[str] = "LOAD_TEST"
    version: ClassVar[str] = "2"
    queue: ClassVar[Queue] = Queue.CODE
    isolation: ClassVar[Isolation] = Isolation.EXCLUSIVE
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "severity_threshold": "medium",
            "max_error_ratio": Decimal(0),
            "requests": 200,
            "concurrency": 4,
            "warmup": 10,
            "warmup_seconds": Decimal("0.25"),
            "request_timeout_seconds": Decimal(10),
            "confidence": Decimal("0.95"),
        }
    )

    def produces(self, parameters: LoadTestParameters) -> tuple[FactSpec, ...]:
        """Return the facts of the latencies and of the errors."""
        del parameters
        number = FactType.NUMBER
        return (
            *(
                FactSpec(name=f"latency_ms_p{name}", type=number, unit="ms", description=f"percentile {name}")
                for name, _ in _QUANTILES
            ),
            FactSpec(name="requests_sent", type=number, unit="count", description="measured requests"),
            FactSpec(name="requests_per_second", type=number, description="answered, at the planned concurrency"),
            FactSpec(name="error_ratio", type=number, unit="ratio", description="failed among the measured requests"),
        )

    def inputs(self, parameters: LoadTestParameters, binding: LoadTestBinding) -> Inputs:
        """Return that it asks a running service and reads the authorities' file."""
        del parameters
        return Inputs(files=(binding.ca_file,) if binding.ca_file else (), endpoint=True)

    def run(self, context: Context) -> Evidence:
        """Send the requests and judge their latencies."""
        from quilate.checks.delivery.latency.client import measure  # noqa: PLC0415 - loads asyncio

        parameters: LoadTestParameters = context.parameters
        _require_sensible(parameters)
        endpoint = parse_endpoint(context.binding.url)
        require_reachable_address(endpoint)
        plan = _plan(context, parameters, endpoint)
        if not is_listening(endpoint, plan.timeout):
            raise _unmeasured(endpoint, "no connection")
        result = measure(plan)
        if not result.sent or result.errors.get("no connection") == result.sent:
            raise _unmeasured(
                endpoint, "no connection" if result.sent else "no answer before the check ran out of time"
            )
        return _evidence(result, parameters, endpoint)

    def canary(self, directory: Path) -> Canary:
        """Write a service that takes 50 ms for every answer, against a limit of 10 ms."""
        server = directory / "server.py"
        server.write_text(_CANARY_SERVER)
        return Canary(
            expected_rules=("QL-LOD-001",),
            parameters={"max_latency_ms_p95": 10},
            binding={"url": "http://{url}/"},
            serve=(sys.executable, str(server), "{port}"),
        )


def _unmeasured(endpoint: Endpoint, reason: str) -> EvidenceError:
    return EvidenceError(
        f"{endpoint.shown} could not be measured: {reason}",
        next_step="start the service, or mend its URL in quilate.yaml",
    )


def _require_sensible(parameters: LoadTestParameters) -> None:
    bounds = (
        ("requests", parameters.requests, 1, MAX_REQUESTS),
        ("concurrency", parameters.concurrency, 1, MAX_CONCURRENCY),
        ("warmup", parameters.warmup, 0, MAX_REQUESTS),
    )
    for name, value, least, most in bounds:
        if not least <= value <= most:
            raise ConfigurationError(f"{name} must be between {least} and {most}, not {value}")
    if not Decimal("0.5") <= parameters.confidence < 1:
        raise ConfigurationError(f"confidence must be at least 0.5 and below 1, not {parameters.confidence}")
    if parameters.warmup_seconds < 0:
        raise ConfigurationError("warmup_seconds must not be negative")
    if not parameters.request_timeout_seconds > 0:
        raise ConfigurationError("request_timeout_seconds must be greater than zero")


def _plan(context: Context, parameters: LoadTestParameters, endpoint: Endpoint) -> "RequestPlan":
    from quilate.checks.delivery.latency.client import RequestPlan  # noqa: PLC0415 - loads asyncio

    binding: LoadTestBinding = context.binding
    low_rank = quantile_ranks(parameters.requests, 0.95, float(parameters.confidence)).low
    headers = {"User-Agent": "quilate", "Accept": "*/*", **binding.headers}
    headers |= {name: context.secret(secret) for name, secret in binding.secret_headers.items()}
    body = None if binding.body is None else json.dumps(binding.body).encode()
    if body is not None and not any(name.lower() == "content-type" for name in headers):
        headers["Content-Type"] = "application/json"
    _require_headers(headers)
    return RequestPlan(
        endpoint=endpoint,
        method=binding.method,
        headers=headers,
        body=body,
        requests=parameters.requests,
        warmup=parameters.warmup,
        warmup_seconds=float(parameters.warmup_seconds),
        concurrency=parameters.concurrency,
        timeout=float(parameters.request_timeout_seconds),
        deadline=context.timeout * _SHARE_OF_TIME,
        limit_ms=float(parameters.max_latency_ms_p95),
        slow_that_decide=parameters.requests + 1 - (low_rank or 0),
        authorities=read_authorities(context.workspace, binding.ca_file),
    )


def _require_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.match(name) or not value.isascii() or any(letter in value for letter in "\r\n\0"):
            raise EvidenceError(
                f"the header {name!r} has characters that HTTP does not allow",
                next_step="mend `headers` or `secret_headers` in quilate.yaml",
            )


def _evidence(result: "Measurement", parameters: LoadTestParameters, endpoint: Endpoint) -> Evidence:
    confidence = float(parameters.confidence)
    ordered = sorted(result.latencies)
    estimates = {name: estimate_quantile(ordered, quantile, confidence) for name, quantile in _QUANTILES if ordered}
    failed = sum(result.errors.values())
    per_second = (result.sent - failed) / result.seconds if result.seconds else None
    finding, undecided = _judge_latency(estimates.get(95), ordered, parameters, endpoint)
    p95 = f"p95 {estimates[95].value:.1f} ms" if estimates else "no answer"
    return Evidence(
        summary=f"{p95}, {counted(result.sent, 'request')}",
        facts=(
            *(_latency_fact(name, estimates.get(name)) for name, _ in _QUANTILES),
            number_fact("requests_sent", result.sent, unit="count"),
            number_fact("requests_per_second", None if per_second is None else round(per_second, 1)),
            number_fact("error_ratio", round(Decimal(failed) / result.sent, 6), unit="ratio"),
        ),
        findings=(*finding, *_judge_errors(result, parameters, endpoint)),
        undecided=undecided,
        notes=_notes(result, parameters),
    )


def _latency_fact(name: int, estimate: QuantileEstimate | None) -> Fact:
    if estimate is None:
        return number_fact(f"latency_ms_p{name}", None, unit="ms")
    low, high = (None if bound is None else round(bound, 3) for bound in (estimate.low, estimate.high))
    value, size = round(estimate.value, 3), estimate.sample_size
    return number_fact(f"latency_ms_p{name}", value, unit="ms", low=low, high=high, sample_size=size)


def _judge_latency(
    estimate: QuantileEstimate | None, ordered: list[float], parameters: LoadTestParameters, endpoint: Endpoint
) -> tuple[tuple[Finding, ...], tuple[Undecided, ...]]:
    limit, confidence = float(parameters.max_latency_ms_p95), float(parameters.confidence)
    if estimate is None:
        open_question = Undecided(
            subject="latency_ms_p95",
            reason="no request was answered, so there is no latency to judge",
            next_step="make the endpoint answer the bound request",
        )
        return (), (open_question,)
    if estimate.high is not None and estimate.high <= limit:
        return (), ()
    if estimate.low is not None and estimate.low > limit:
        finding = Finding(
            rule=RuleId("QL-LOD-001"),
            kind=FindingKind.PERFORMANCE,
            severity=Severity.HIGH,
            message="The 95th percentile of the latency is above its limit",
            location=Location(url=endpoint.shown),
            measured=f"{estimate.value:.1f} ms, at least {estimate.low:.1f} ms (n {estimate.sample_size})",
            limit=f"at most {parameters.max_latency_ms_p95:f} ms",
            fix="Profile this request and remove what it waits for.",
            context="QL-LOD-001",
        )
        return (finding,), ()
    within = sum(latency <= limit for latency in ordered)
    needed = needed_sample(within, len(ordered), 0.95, confidence)
    if estimate.high is None and needed is None:
        needed = smallest_sample(0.95, confidence)
    low = "0" if estimate.low is None else f"{estimate.low:.1f}"
    high = "unbounded" if estimate.high is None else f"{estimate.high:.1f}"
    open_question = Undecided(
        subject="latency_ms_p95",
        reason=f"the limit {limit:g} ms lies inside [{low}, {high}] ms (n {estimate.sample_size})",
        next_step=f"send about {needed} requests" if needed else "send more requests, or measure on a quieter machine",
        needed_sample=needed,
    )
    return (), (open_question,)


def _judge_errors(result: "Measurement", parameters: LoadTestParameters, endpoint: Endpoint) -> tuple[Finding, ...]:
    failed = sum(result.errors.values())
    if Decimal(failed) / result.sent <= parameters.max_error_ratio:
        return ()
    reasons = ", ".join(f"{reason}: {count}" for reason, count in sorted(result.errors.items()))
    finding = Finding(
        rule=RuleId("QL-LOD-002"),
        kind=FindingKind.PERFORMANCE,
        severity=Severity.HIGH,
        message="Too many requests failed under load",
        location=Location(url=endpoint.shown),
        measured=f"{failed} of {result.sent} ({reasons})",
        limit=f"an error ratio of at most {parameters.max_error_ratio:f}",
        fix="Look for these requests in the service's log and mend what fails under load.",
        context="QL-LOD-002",
    )
    return (finding,)


def _notes(result: "Measurement", parameters: LoadTestParameters) -> tuple[str, ...]:
    notes = []
    sent = f"{result.sent} of {counted(parameters.requests, 'request')}"
    if result.decided_early:
        notes.append(f"stopped after {sent}: the slow ones already decide it")
    if result.out_of_time:
        notes.append(f"only {sent} before the check's time was up")
    if result.warmed < parameters.warmup:
        warmed = f"{result.warmed} of {counted(parameters.warmup, 'request')}"
        notes.append(f"the warm-up ended after {warmed}: they took `warmup_seconds` or longer")
    return tuple(notes)
