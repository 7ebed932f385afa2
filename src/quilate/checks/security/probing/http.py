"""Our own look at a service's answers: passive over all that was recorded, active by a few hostile values."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quilate.checks.security.probing.openapi import Field, Operation
from quilate.checks.security.probing.schemathesis import Exchange
from quilate.domain.severity import Severity

if TYPE_CHECKING:
    import httpx

MAX_PROBE_BYTES = 1 << 20
"""Answers to probes are read up to 1 MiB."""

SCRIPT = "<script>quilate(7)</script>"
TRAVERSAL = "../../../../../../../../etc/passwd"
PAYLOADS = (SCRIPT, TRAVERSAL, "/etc/passwd", "'\"")
"""The hostile values: reflected script, path traversal, absolute path, quotes that break a query put together."""

_SQL_ERRORS = re.compile(
    rb"You have an error in your SQL syntax|ORA-\d{5}:|SQLSTATE\[|sqlite3\.(?:OperationalError|ProgrammingError)"
    rb"|psycopg2?\.errors\.|unterminated quoted string|SQLITE_ERROR|Unclosed quotation mark"
    rb"|near \".{0,40}\": syntax error"
)
_STACK_TRACES = re.compile(
    rb"Traceback \(most recent call last\)|\n?\s+at [\w.$]+\([\w]+\.java:\d+\)|goroutine \d+ \[running\]"
    rb"|\bat [\w.]+ in .{1,200}:line \d+|PHP (?:Fatal error|Warning):|\w+Error: .{0,200}\\n?\s+at .{1,200}\.js:\d+:\d+"
)
_PASSWORD_FILE = re.compile(rb"root:[^:\n]{0,64}:0:0:")


@dataclass(frozen=True, slots=True, kw_only=True)
class Weakness:
    """A rule of ours about answers; ``matches`` says whether an answer breaks it."""

    rule: str
    severity: Severity
    message: str
    limit: str
    fix: str
    matches: Callable[[Exchange], bool]
    once: bool = False


def _holds(pattern: re.Pattern[bytes]) -> Callable[[Exchange], bool]:
    """Return the test whether an answer's content has a match of the pattern."""
    return lambda answer: pattern.search(answer.content) is not None


def _is_html(exchange: Exchange) -> bool:
    return "text/html" in exchange.headers.get("content-type", "")


WEAKNESSES = (
    Weakness(
        rule="QL-DST-001",
        severity=Severity.LOW,
        message="Answers lack X-Content-Type-Options: nosniff",
        limit="X-Content-Type-Options: nosniff on every answer with content",
        fix="Send the header X-Content-Type-Options: nosniff with every answer.",
        matches=lambda answer: bool(answer.content) and answer.headers.get("x-content-type-options") != "nosniff",
        once=True,
    ),
    Weakness(
        rule="QL-DST-002",
        severity=Severity.MEDIUM,
        message="HTML is served without a Content-Security-Policy",
        limit="a Content-Security-Policy on every HTML page",
        fix="Send a Content-Security-Policy that allows only the page's own scripts.",
        matches=lambda answer: (
            _is_html(answer) and bool(answer.content) and "content-security-policy" not in answer.headers
        ),
        once=True,
    ),
    Weakness(
        rule="QL-DST-003",
        severity=Severity.HIGH,
        message="Script text that was sent comes back unescaped in HTML",
        limit="no input unescaped in a page",
        fix="Escape every value where it is put into HTML.",
        matches=lambda answer: _is_html(answer) and SCRIPT.encode() in answer.content,
    ),
    Weakness(
        rule="QL-DST-004",
        severity=Severity.HIGH,
        message="The answer holds a database's error message",
        limit="no database errors in answers",
        fix="Bind values as parameters of the query, and answer errors without details.",
        matches=_holds(_SQL_ERRORS),
    ),
    Weakness(
        rule="QL-DST-005",
        severity=Severity.CRITICAL,
        message="A path that was sent led to a file of the system",
        limit="no files outside the service's own",
        fix="Resolve the path and refuse what leads out of the allowed directory.",
        matches=_holds(_PASSWORD_FILE),
    ),
    Weakness(
        rule="QL-DST-006",
        severity=Severity.MEDIUM,
        message="The answer holds a stack trace",
        limit="no stack traces in answers",
        fix="Answer errors with a problem document and keep the trace in the log.",
        matches=_holds(_STACK_TRACES),
    ),
)
"""Source: OWASP Web Security Testing Guide 4.2, sections 4.7 (input) and 4.8 (errors); OWASP Secure Headers."""


def weak_answers(exchanges: Iterable[Exchange]) -> Iterator[tuple[Weakness, Exchange]]:
    """Yield each weakness with its first answer: per operation, or once for the service where all share the cause."""
    seen: set[tuple[str, str]] = set()
    for exchange in exchanges:
        for weakness in WEAKNESSES:
            key = (weakness.rule, "" if weakness.once else exchange.operation)
            if key not in seen and weakness.matches(exchange):
                seen.add(key)
                yield weakness, exchange


def probe_operations(
    client: "httpx.Client", base: str, operations: Iterable[Operation], *, limit: int
) -> tuple[list[Exchange], int]:
    """Send the hostile values into every text of every operation; return the answers and how many were left out."""
    answers: list[Exchange] = []
    left_out = 0
    for operation in operations:
        for field in operation.text_fields:
            for payload in PAYLOADS:
                if len(answers) >= limit:
                    left_out += 1
                    continue
                answer = _send(client, base, operation, {**operation.samples, field: payload})
                if answer is not None:
                    answers.append(answer)
    return answers, left_out


def _send(client: "httpx.Client", base: str, operation: Operation, values: Mapping[Field, Any]) -> Exchange | None:
    import httpx  # noqa: PLC0415 - loaded by the caller already

    path, query, body = operation.path, {}, {}
    for field, value in values.items():
        if field.where == "path":
            path = path.replace(f"{{{field.name}}}", quote(str(value), safe=""))
        elif field.where == "query":
            query[field.name] = str(value)
        else:
            body[field.name] = value
    try:
        with client.stream(operation.method, base + path, params=query or None, json=body or None) as response:
            content = b""
            for chunk in response.iter_bytes(chunk_size=65536):
                content += chunk
                if len(content) > MAX_PROBE_BYTES:
                    break
            return Exchange(
                operation=operation.label,
                status=response.status_code,
                headers={name.lower(): value for name, value in response.headers.items()},
                content=content,
            )
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError):
        return None
