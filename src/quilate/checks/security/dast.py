"""Attack a running service through its OpenAPI document and judge what it answers.

Why: What a service does with hostile input shows only when it runs: server errors, answers that break their own
contract, stack traces, database messages, files of the system.

Input: Binding ``openapi`` (URL of the document), ``url`` (base of the service; by default the document's own origin
and base path), ``headers`` (names to values), ``secret_headers`` (names to secrets of the project file), ``ca_file``
(PEM file in the workspace). Every operation is called, writing ones too: bind a service that may be written to. The
document's host is never asked unless bound, redirects are not followed, other documents are not fetched.

Facts: ``vulnerabilities`` (findings of any severity), ``vulnerabilities_high`` (high or critical),
``operations_tested``, ``requests_sent``.

Limits: Findings at or above ``severity_threshold`` fail. How much is sent: ``max_examples`` per operation,
``max_probes`` hostile values of our own in all, ``request_timeout_seconds``. ``seed`` makes a run repeatable.

Findings: ``schemathesis/<check>`` (one for each check and operation; a server error hides the other checks of the same
answer, for they have the same cause) and our own: ``QL-DST-001`` no ``nosniff``, ``QL-DST-002`` HTML without
Content-Security-Policy, ``QL-DST-003`` reflected script, ``QL-DST-004`` database error, ``QL-DST-005`` path traversal,
``QL-DST-006`` stack trace.

Raises: EvidenceError when schemathesis is missing, the document cannot be had or read, or no operation was tested.

Source: https://schemathesis.readthedocs.io/ and the OWASP Web Security Testing Guide 4.2. Severities: a server error is
high because hostile input reached code that nobody guarded; 501 is an honest answer and low; faults of access control
are high or critical; broken promises of the document are medium or low.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar
from urllib.parse import urlsplit

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue, Tool
from quilate.checks.endpoints import Endpoint, parse_endpoint, read_authorities, require_reachable_address
from quilate.checks.security.probing.http import probe_operations, weak_answers
from quilate.checks.security.probing.openapi import base_path, fetch_document, operations, read_document
from quilate.checks.security.probing.redaction import excerpt
from quilate.checks.security.probing.schemathesis import Campaign, Exchange, Failure, read_events
from quilate.checks.security.probing.unicode_tables import fetch_tables, keep_tables
from quilate.domain.errors import ConfigurationError, EvidenceError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Artifact,
    Evidence,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    number_fact,
)
from quilate.kit.words import counted

SCHEMATHESIS = Tool(name="schemathesis", install="uv pip install 'quilate[delivery]'", distribution="schemathesis")

SEVERITIES = MappingProxyType(
    {
        "not_a_server_error": Severity.HIGH,
        "ignored_auth": Severity.CRITICAL,
        "object_level_authorization": Severity.CRITICAL,
        "use_after_free": Severity.HIGH,
        "status_code_conformance": Severity.MEDIUM,
        "content_type_conformance": Severity.MEDIUM,
        "response_schema_conformance": Severity.MEDIUM,
        "negative_data_rejection": Severity.MEDIUM,
        "missing_required_header": Severity.MEDIUM,
        "ensure_resource_availability": Severity.MEDIUM,
        "response_headers_conformance": Severity.LOW,
        "positive_data_acceptance": Severity.LOW,
        "unsupported_method": Severity.LOW,
        "allow_header_conformance": Severity.LOW,
    }
)
"""How bad a failed check of Schemathesis is; one that is not listed is medium."""

_FIXES = MappingProxyType(
    {
        "not_a_server_error": "Handle this input: validate it and answer 4xx, or mend the code that fails on it.",
        "status_code_conformance": "Document this status, or stop answering it.",
        "content_type_conformance": "Answer with a documented content type, or document this one.",
        "response_schema_conformance": "Answer as the schema says, or mend the schema.",
        "negative_data_rejection": "Validate input against the schema and answer 4xx where it does not fit.",
        "unsupported_method": "Answer 405 with an Allow header to methods that the document does not list.",
        "ignored_auth": "Check the credentials before anything else.",
        "object_level_authorization": "Check that the caller owns the object.",
    }
)
_NOT_IMPLEMENTED = 501
_ENDED = (0, 1)
_ENDED_WITH_ERRORS = 2
_MAX_REPORT_BYTES = 512 << 20
_HIGHEST_EXAMPLES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class DastParameters:
    """The blueprint's keys."""

    max_examples: int
    max_probes: int
    seed: int
    request_timeout_seconds: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class DastBinding:
    """The project file's keys: where the document and the service are."""

    openapi: str
    url: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    secret_headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: str = ""


class Dast:
    """Runs Schemathesis and our own probes against a service."""

    parameters: ClassVar[type] = DastParameters
    binding: ClassVar[type] = DastBinding
    type: ClassVar[str] = "DAST"
    version: ClassVar[str] = "2"
    queue: ClassVar[Queue] = Queue.SECURITY
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = MappingProxyType(
        {
            "severity_threshold": "high",
            "max_examples": 20,
            "max_probes": 200,
            "seed": 1,
            "request_timeout_seconds": Decimal(10),
        }
    )

    def produces(self, parameters: DastParameters) -> tuple[FactSpec, ...]:
        """Return the counts of findings, operations and requests."""
        del parameters
        described = (
            ("vulnerabilities", "findings of any severity"),
            ("vulnerabilities_high", "findings that are high or critical"),
            ("operations_tested", "operations that gave an answer"),
            ("requests_sent", "requests that were answered"),
        )
        return tuple(
            FactSpec(name=name, type=FactType.NUMBER, unit="count", description=description)
            for name, description in described
        )

    def inputs(self, parameters: DastParameters, binding: DastBinding) -> Inputs:
        """Return that it asks a running service through a tool, and reads the authorities' file."""
        del parameters
        files = (binding.ca_file,) if binding.ca_file else ()
        return Inputs(files=files, tools=(SCHEMATHESIS,), endpoint=True)

    def run(self, context: Context) -> Evidence:
        """Fetch the document, run both campaigns, judge the answers."""
        if not 1 <= context.parameters.max_examples <= _HIGHEST_EXAMPLES or context.parameters.max_probes < 0:
            raise ConfigurationError(f"max_examples must be between 1 and {_HIGHEST_EXAMPLES}, max_probes at least 0")
        tool = context.tool(SCHEMATHESIS)
        return _Attack(context, tool).run()

    def canary(self, directory: Path) -> Canary:
        """Write a service whose only operation answers with a server error."""
        from quilate.checks.security.probing.canaries import write_http_canary  # noqa: PLC0415 - canaries only

        return write_http_canary(directory)


class _Attack:
    """One attack on one service."""

    def __init__(self, context: Context, tool: str) -> None:
        self._context = context
        self._tool = tool
        self._parameters: DastParameters = context.parameters
        self._binding: DastBinding = context.binding
        self._document_endpoint = parse_endpoint(self._binding.openapi)
        require_reachable_address(self._document_endpoint)
        self._authorities = read_authorities(context.workspace, self._binding.ca_file)
        secrets = {name: context.secret(secret) for name, secret in self._binding.secret_headers.items()}
        self._headers = {**self._binding.headers, **secrets}
        self._timeout = float(self._parameters.request_timeout_seconds)

    def run(self) -> Evidence:
        raw = fetch_document(
            self._document_endpoint, self._headers, timeout=self._timeout, authorities=self._authorities
        )
        document = read_document(raw)
        base = self._base(document)
        campaign = self._campaign(raw, base)
        answers, left_out = self._probe(document, base)
        return self._evidence(campaign, answers, left_out, parse_endpoint(base))

    def _probe(self, document: Mapping[str, Any], base: str) -> tuple[list[Exchange], int]:
        """Send the hostile values; return the answers and how many values were left out."""
        attacked = [operation for operation in operations(document) if operation.text_fields]
        if not attacked:
            return [], 0
        import ssl  # noqa: PLC0415 - beside its only use

        import httpx  # noqa: PLC0415 - heavy, and only this check's own process needs it

        verify = base.startswith("https:") and ssl.create_default_context(cadata=self._authorities or None)
        with httpx.Client(verify=verify, timeout=self._timeout, headers=self._headers, trust_env=False) as client:
            return probe_operations(client, base, attacked, limit=self._parameters.max_probes)

    def _base(self, document: Mapping[str, Any]) -> str:
        if not self._binding.url:
            return self._document_endpoint.origin + base_path(document)
        endpoint = parse_endpoint(self._binding.url)
        require_reachable_address(endpoint)
        return endpoint.shown.rstrip("/")

    def _campaign(self, raw: bytes, base: str) -> Campaign:
        scratch = self._context.scratch
        document, report, configuration = (scratch / name for name in ("openapi", "report.ndjson", "settings.toml"))
        document.write_bytes(raw)
        configuration.touch(mode=0o600)
        if self._headers:
            lines = (f"{json.dumps(name)} = {json.dumps(value)}\n" for name, value in self._headers.items())
            configuration.write_text("[headers]\n" + "".join(lines))
        verify = (
            ("--tls-verify", str(self._context.workspace.resolve(self._binding.ca_file))) if self._authorities else ()
        )
        fetch_tables(scratch)
        result = self._context.run(
            (
                *(self._tool, "--config-file", str(configuration), "run", str(document), "--url", base),
                *("--max-examples", str(self._parameters.max_examples), "--seed", str(self._parameters.seed)),
                *("--phases", "examples,coverage,fuzzing", "--generation-database", "none", "--no-shrink"),
                *("--continue-on-failure", "--max-redirects", "0", "--request-retries", "0", "--warnings", "off"),
                *("--request-timeout", f"{self._parameters.request_timeout_seconds:f}", "--no-color", *verify),
                *("--report", "ndjson", "--report-ndjson-path", str(report)),
            ),
            directory=scratch,
            # The tool's modules are compiled once for all runs instead of on each: two seconds of CPU.
            environment={"PYTHONDONTWRITEBYTECODE": ""},
        )
        keep_tables(scratch)
        if result.returncode not in {*_ENDED, _ENDED_WITH_ERRORS} or not report.is_file():
            raise EvidenceError(
                f"schemathesis ended with exit code {result.returncode}: {excerpt(result.stderr or result.stdout)}",
                next_step="install a supported version: uv pip install 'quilate[delivery]'",
            )
        if report.stat().st_size > _MAX_REPORT_BYTES:
            raise EvidenceError("the report of schemathesis is too large", next_step="lower `max_examples`")
        with report.open("rb") as lines_of_report:
            campaign = read_events(lines_of_report)
        campaign.completed &= result.returncode in _ENDED or bool(campaign.errors)
        return campaign

    def _evidence(self, campaign: Campaign, answers: list[Exchange], left_out: int, base: Endpoint) -> Evidence:
        if not campaign.tested:
            reason = next(iter(campaign.errors.values()), "the document has no operation that gave an answer")
            raise EvidenceError(
                f"no operation was tested: {reason}", next_step="bind the OpenAPI document of the running service"
            )
        exchanges = [*campaign.exchanges, *answers]
        findings = (
            *_failures(campaign.failures, base),
            *(_weakness(weakness, exchange, base) for weakness, exchange in weak_answers(exchanges)),
        )
        high = sum(finding.severity >= Severity.HIGH for finding in findings)
        return Evidence(
            summary=f"{counted(len(campaign.tested), 'operation')}, {counted(len(exchanges), 'request')}",
            facts=(
                number_fact("vulnerabilities", len(findings), unit="count"),
                number_fact("vulnerabilities_high", high, unit="count"),
                number_fact("operations_tested", len(campaign.tested), unit="count"),
                number_fact("requests_sent", len(exchanges), unit="count"),
            ),
            findings=findings,
            undecided=tuple(_open_questions(campaign)),
            artifacts=(self._artifact(findings),) if findings else (),
            notes=(f"{left_out} hostile values were left out: `max_probes` is reached",) if left_out else (),
        )

    def _artifact(self, findings: Iterable[Finding]) -> Artifact:
        rows = [
            {
                "rule": finding.rule,
                "url": finding.location.url,
                "message": finding.message,
                "measured": finding.measured,
            }
            for finding in findings
        ]
        return self._context.artifact("dast.json", json.dumps(rows, indent=2).encode(), "application/json")


def _failures(failures: Iterable[Failure], base: Endpoint) -> Iterator[Finding]:
    """Yield one finding for each check and operation: its worst case, so that a lesser one never hides it."""
    worst: dict[tuple[str, str], Failure] = {}
    for failure in failures:
        key = (failure.check, failure.operation)
        if key not in worst or _severity(failure) > _severity(worst[key]):
            worst[key] = failure
    for failure in worst.values():
        yield Finding(
            rule=RuleId(f"schemathesis/{failure.check}"),
            kind=FindingKind.VULNERABILITY,
            severity=_severity(failure),
            message=f"{failure.title} on {failure.operation}",
            location=_location(base, failure.operation),
            measured=_measured(failure),
            limit="an answer that the OpenAPI document allows",
            fix=_FIXES.get(failure.check, "Make the service answer as its OpenAPI document says."),
            context=f"{failure.check} {failure.operation}",
            help_url="https://schemathesis.readthedocs.io/en/stable/reference/checks/",
        )


def _severity(failure: Failure) -> Severity:
    severity = SEVERITIES.get(failure.check, Severity.MEDIUM)
    if failure.check != "not_a_server_error":
        return severity
    if failure.exchange is not None and failure.exchange.status == _NOT_IMPLEMENTED:
        return Severity.LOW
    return Severity.MEDIUM if failure.failure_type == "ContentTypeServerError" else severity


def _measured(failure: Failure) -> str:
    exchange = failure.exchange
    if exchange is None:
        return excerpt(failure.message.encode()) or failure.title
    sent = f" to {excerpt(exchange.request_body)}" if exchange.request_body else ""
    query = urlsplit(exchange.uri).query
    asked = f" to ?{excerpt(query.encode())}" if query and not sent else sent
    return f"status {exchange.status}{asked}: {excerpt(exchange.content) or 'no content'}"


def _weakness(weakness: Any, exchange: Exchange, base: Endpoint) -> Finding:
    operation = "" if weakness.once else exchange.operation
    shown = exchange.headers.get("content-type", "no content type") if weakness.once else excerpt(exchange.content)
    return Finding(
        rule=RuleId(weakness.rule),
        kind=FindingKind.VULNERABILITY,
        severity=weakness.severity,
        message=f"{weakness.message} ({exchange.operation})",
        location=_location(base, operation),
        measured=f"status {exchange.status}: {shown}",
        limit=weakness.limit,
        fix=weakness.fix,
        context=f"{weakness.rule} {operation}",
    )


def _location(base: Endpoint, operation: str) -> Location:
    path = operation.partition(" ")[2]
    return Location(url=base.shown.rstrip("/") + path)


def _open_questions(campaign: Campaign) -> Iterator[Undecided]:
    for operation, message in campaign.errors.items():
        yield Undecided(
            subject=operation,
            reason=f"it could not be tested to the end: {excerpt(message.encode())}",
            next_step="mend the OpenAPI document, or the service's connection",
        )
    missing = campaign.operations - len(campaign.tested)
    if missing > 0 and not campaign.errors:
        yield Undecided(
            subject="operations",
            reason=f"{missing} of {counted(campaign.operations, 'operation')} gave no answer",
            next_step="look for operations whose parameters cannot be generated",
        )
    if not campaign.completed:
        yield Undecided(
            subject="campaign",
            reason="schemathesis stopped before its end",
            next_step="run again with a steady service",
        )
