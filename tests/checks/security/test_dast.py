"""DAST against real HTTP services on loopback, each with its own fault (C16)."""

import contextlib
import http.server
import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from quilate.checks.security.probing.openapi import operations, read_document
from quilate.checks.security.probing.redaction import excerpt
from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Evidence, Finding
from quilate.runs.canaries import run_canary
from tests.support.check_runner import fact_values, run_check
from tests.support.servers import QuietServer, serving

Answer = tuple[int, str, str]
SAFE = {"X-Content-Type-Options": "nosniff"}


def document(**paths: Any) -> dict[str, Any]:
    """Return an OpenAPI document; ``score_post`` stands for POST /score."""
    described: dict[str, Any] = {}
    for name, operation in paths.items():
        path, _, method = name.rpartition("_")
        described.setdefault(f"/{path}", {})[method] = operation
    return {"openapi": "3.0.3", "info": {"title": "test", "version": "1"}, "paths": described}


def returns(content_type: str = "application/json", *statuses: str) -> dict[str, Any]:
    media = {content_type: {"schema": {"type": "object" if "json" in content_type else "string"}}}
    return {status: {"description": status, "content": media} for status in (statuses or ("200",))}


def query(name: str, *statuses: str, content_type: str = "application/json") -> dict[str, Any]:
    parameter = {"name": name, "in": "query", "schema": {"type": "string"}}
    return {"parameters": [parameter], "responses": returns(content_type, *statuses)}


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves its document and answers everything else as the test says; other methods get 405."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    description: dict[str, Any]
    answer: Callable[[str, str, bytes], Answer]
    headers_sent: dict[str, str]

    def handle_any(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        path = self.path.partition("?")[0]
        if self.path == "/openapi.json":
            status, kind, content = 200, "application/json", json.dumps(self.description)
        elif self.command.lower() not in self.description["paths"].get(path, {}):
            status, kind, content = 405, "application/json", "{}"
        else:
            status, kind, content = type(self).answer(self.command, self.path, body)
        self.send_response(status)
        encoded = content.encode()
        for name, value in {**self.headers_sent, "Content-Type": kind}.items():
            self.send_header(name, value)
        if status == 405:
            self.send_header("Allow", ", ".join(m.upper() for m in self.description["paths"].get(path, {})))
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        self.wfile.write(encoded)

    def __getattr__(self, name: str) -> Any:
        """Handle every method, however new, in one place."""
        if name.startswith("do_"):
            return self.handle_any
        raise AttributeError(name)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


Serve = Callable[..., str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(
            description: dict[str, Any], answer: Callable[[str, str, bytes], Answer], headers: dict[str, str] = SAFE
        ) -> str:
            members = {"description": description, "answer": staticmethod(answer), "headers_sent": headers}
            server = QuietServer(("127.0.0.1", 0), type("TestHandler", (Handler,), members))
            return f"http://127.0.0.1:{stack.enter_context(serving(server))}"

        yield start


def attack(directory: Path, base: str, *, binding: dict[str, Any] | None = None, **parameters: Any) -> Evidence:
    merged = {"max_examples": 3} | parameters
    bound = {"openapi": f"{base}/openapi.json", **(binding or {})}
    return run_check("DAST", directory, parameters=merged, binding=bound)


def by_rule(evidence: Evidence) -> dict[str, Finding]:
    return {str(finding.rule): finding for finding in evidence.findings}


SCORE = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["income"],
                    "properties": {"income": {"type": "integer", "minimum": 0}},
                    "additionalProperties": False,
                }
            }
        },
    },
    "responses": returns("application/json", "200", "400"),
}


def score(divide: Callable[[int], float]) -> Callable[[str, str, bytes], Answer]:
    def answer(_: str, __: str, body: bytes) -> Answer:
        try:
            income = json.loads(body)["income"]
            if type(income) is not int or income < 0 or set(json.loads(body)) != {"income"}:
                raise ValueError  # noqa: TRY301 - one place for every bad input
        except (ValueError, TypeError, KeyError):
            return 400, "application/json", "{}"
        try:
            return 200, "application/json", json.dumps({"score": divide(income)})
        except ZeroDivisionError:
            return 500, "application/json", '{"error": "boom", "password": "hunter2"}'

    return answer


def test_a_sound_service_has_no_findings_and_says_how_much_was_asked(tmp_path: Path, serve: Serve) -> None:
    evidence = attack(tmp_path, serve(document(score_post=SCORE), score(lambda income: 1 / (1 + income))))
    assert (evidence.findings, evidence.undecided) == ((), ())
    assert fact_values(evidence)["operations_tested"] == "1"
    assert int(fact_values(evidence)["requests_sent"]) > 5


def test_a_server_error_is_high_names_the_operation_and_hides_secrets(tmp_path: Path, serve: Serve) -> None:
    base = serve(document(score_post=SCORE), score(lambda income: 1 / income))
    evidence = attack(tmp_path, base)
    assert list(by_rule(evidence)) == ["schemathesis/not_a_server_error"]
    finding = by_rule(evidence)["schemathesis/not_a_server_error"]
    assert (finding.severity, finding.location.url) == ("high", f"{base}/score")
    assert finding.message == "Server error on POST /score"
    assert finding.measured.startswith('status 500 to {"income": 0}: {"error": "boom"')
    assert "hunter2" not in str(evidence)
    assert fact_values(evidence)["vulnerabilities_high"] == "1"


def test_findings_keep_their_identity_from_run_to_run(tmp_path: Path, serve: Serve) -> None:
    base = serve(document(score_post=SCORE), score(lambda income: 1 / income), {})
    first, second = (attack(tmp_path, base) for _ in range(2))
    assert [finding.fingerprint for finding in first.findings] == [finding.fingerprint for finding in second.findings]


def test_answers_that_break_the_document_are_medium(tmp_path: Path, serve: Serve) -> None:
    operation = {"responses": returns()}
    base = serve(document(status_get=operation), lambda *_: (202, "application/json", "{}"))
    finding = by_rule(attack(tmp_path, base))["schemathesis/status_code_conformance"]
    assert (finding.severity, finding.message) == ("medium", "Undocumented status code on GET /status")


def test_a_lesser_fault_of_the_same_check_never_hides_a_worse_one(tmp_path: Path, serve: Serve) -> None:
    def answer(_: str, path: str, __: bytes) -> Answer:
        return (501 if path == "/find" else 500), "application/json", "{}"

    base = serve(document(find_get=query("q", "200")), answer)
    finding = by_rule(attack(tmp_path, base, max_examples=20))["schemathesis/not_a_server_error"]
    assert (finding.severity, finding.measured[:10]) == ("high", "status 500")


def test_reflected_script_is_found(tmp_path: Path, serve: Serve) -> None:
    from urllib.parse import parse_qs, urlsplit  # noqa: PLC0415 - used here only

    def page(_: str, path: str, __: bytes) -> Answer:
        return 200, "text/html", f"<p>{parse_qs(urlsplit(path).query).get('q', [''])[0]}</p>"

    base = serve(document(find_get=query("q", "200", content_type="text/html")), page)
    found = by_rule(attack(tmp_path, base))
    assert found["QL-DST-003"].severity == "high"
    assert found["QL-DST-002"].location.url == base


def test_path_traversal_is_critical(tmp_path: Path, serve: Serve) -> None:
    def read(_: str, path: str, __: bytes) -> Answer:
        return 200, "application/json", json.dumps({"text": "root:x:0:0:root" if "etc%2Fpasswd" in path else "none"})

    base = serve(document(file_get=query("name", "200")), read)
    assert by_rule(attack(tmp_path, base))["QL-DST-005"].severity == "critical"


def test_database_errors_and_stack_traces_are_found(tmp_path: Path, serve: Serve) -> None:
    def search(_: str, path: str, __: bytes) -> Answer:
        if "%27" in path:
            trace = 'Traceback (most recent call last):\nsqlite3.OperationalError: near "x": syntax error'
            return 400, "application/json", json.dumps({"detail": trace})
        return 200, "application/json", "{}"

    found = by_rule(attack(tmp_path, serve(document(find_get=query("q", "200", "400")), search)))
    assert found["QL-DST-004"].severity == "high"
    assert found["QL-DST-006"].severity == "medium"


def test_missing_nosniff_is_one_low_finding_for_the_service(tmp_path: Path, serve: Serve) -> None:
    paths = document(one_get={"responses": returns()}, two_get={"responses": returns()})
    base = serve(paths, lambda *_: (200, "application/json", "{}"), {})
    low = [finding for finding in attack(tmp_path, base).findings if finding.rule == "QL-DST-001"]
    assert [(finding.severity, finding.location.url) for finding in low] == [("low", base)]


def test_a_document_without_operations_is_no_evidence(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(EvidenceError, match="no operation was tested"):
        attack(tmp_path, serve(document(), lambda *_: (200, "application/json", "{}")))


def test_the_documents_own_host_is_never_asked(tmp_path: Path, serve: Serve) -> None:
    asked: list[str] = []

    def stranger(_: str, path: str, __: bytes) -> Answer:
        asked.append(path)
        return 200, "application/json", "{}"

    elsewhere = serve(document(status_get={"responses": returns()}), stranger)
    description = document(status_get={"responses": returns()}) | {"servers": [{"url": elsewhere}]}
    evidence = attack(tmp_path, serve(description, lambda *_: (200, "application/json", "{}")))
    assert evidence.findings == ()
    assert asked == []


def test_settings_in_the_workspace_are_not_obeyed(tmp_path: Path, serve: Serve) -> None:
    (tmp_path / "schemathesis.toml").write_text('hooks = "hooks"\n')
    (tmp_path / "hooks.py").write_text("raise SystemExit('code of the judged project ran')\n")
    base = serve(document(status_get={"responses": returns()}), lambda *_: (200, "application/json", "{}"))
    assert attack(tmp_path, base).findings == ()


def test_headers_are_sent(tmp_path: Path, serve: Serve) -> None:
    base = serve(document(status_get={"responses": returns()}), lambda *_: (200, "application/json", "{}"))
    assert attack(tmp_path, base, binding={"headers": {"X-Team": 'credit "risk"'}}).findings == ()
    with pytest.raises(EvidenceError, match="secret 'token' is not set"):
        attack(tmp_path, base, binding={"secret_headers": {"Authorization": "token"}})


def test_nobody_listening_is_no_evidence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(EvidenceError, match="could not be fetched"):
        attack(tmp_path, f"http://127.0.0.1:{port}")


def test_a_missing_document_is_no_evidence(tmp_path: Path, serve: Serve) -> None:
    base = serve(document(), lambda *_: (200, "application/json", "{}"))
    with pytest.raises(EvidenceError, match="answers with status 405"):
        attack(tmp_path, base, binding={"openapi": f"{base}/nothing.json"})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[]", "no OpenAPI document"),
        (b"{paths: [", "neither JSON nor YAML"),
        (b"!!python/object/apply:os.system ['true']", "neither JSON nor YAML"),
        (b'{"paths": {"/a": {"$ref": "http://169.254.169.254/"}}}', "refers to other documents"),
        (b'{"paths": {"/a": {"$ref": "file:///etc/passwd"}}}', "refers to other documents"),
        (b'{"paths": {"/a": ' + b"[" * 90 + b"]" * 90 + b"}}", "nested too deeply"),
        (b"[" * 200_000, "neither JSON nor YAML"),
    ],
)
def test_hostile_documents_are_refused(content: bytes, reason: str) -> None:
    with pytest.raises(EvidenceError, match=reason):
        read_document(content)


def test_references_within_the_document_are_followed() -> None:
    description = {
        "paths": {"/score": {"post": {"requestBody": {"$ref": "#/components/requestBodies/Score"}}}},
        "components": {
            "requestBodies": {
                "Score": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Score"}}}}
            },
            "schemas": {
                "Score": {"properties": {"name": {"type": "string"}, "loop": {"$ref": "#/components/schemas/Score"}}}
            },
        },
    }
    (operation,) = operations(read_document(json.dumps(description).encode()))
    assert operation.label == "POST /score"
    assert [(field.name, field.where) for field in operation.text_fields] == [("name", "body"), ("loop", "body")]


@pytest.mark.parametrize(
    "text",
    [
        '{"password": "hunter2"}',
        "Authorization: Bearer hunter2",
        "api_key=hunter2&x=1",
        "mail hunter2@example.org",
        ".".join(("eyJhbGciOiJIUzI1NiJ9", "eyJzdWIiOiJodW50ZXIyIn0", "hunter2" * 3)),
        "card 4111 1111 1111 1111",
    ],
)
def test_excerpts_hold_no_secrets(text: str) -> None:
    shown = excerpt(text.encode())
    assert "***" in shown
    assert "hunter2" not in shown
    assert "1111 1111" not in shown


def test_excerpts_are_short_and_printable() -> None:
    assert excerpt(b"\x1b[31mred\x00\nline " + b"x " * 500).startswith("[31mred line x x")
    assert len(excerpt(b"word " * 500)) == 160


def test_its_canary_is_red() -> None:
    assert run_canary("DAST", "").red
