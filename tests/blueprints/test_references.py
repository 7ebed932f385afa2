"""Where blueprints come from: built in, files inside the repository, pinned URLs; and ``extends`` (C02, C21)."""

import datetime as dt
import hashlib
import ipaddress
import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from quilate.blueprints.references import load_blueprint
from quilate.domain.errors import ConfigurationError
from tests.support.servers import serving

PARENT = """\
id: parent
version: 1
project_types: [ds]
stages:
  - name: code
    checks:
      - {id: lint, type: CODE_LINT, severity_threshold: high}
      - {id: tests, type: UNIT_TESTS, params: {min_coverage: 0.5, min_tests: 3}}
  - name: late
    checks:
      - {id: sast, type: SAST}
policies:
  approval: all_required_checks_pass
  extra: check_passes("lint")
"""
CHILD = """\
id: child
version: 2
extends: parent.yaml
stages:
  - name: code
    checks:
      - {id: tests, min_coverage: 0.9}
      - {id: format, type: CODE_FORMAT}
  - name: last
    checks:
      - {id: secrets, type: SECRETS}
policies:
  approval: {rule: all_required_checks_pass and coverage > 0.9, binds_on: new}
"""


def write(directory: Path, **files: str) -> None:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text, encoding="utf-8")


def test_a_child_overrides_key_by_key(tmp_path: Path) -> None:
    write(tmp_path, parent=PARENT, child=CHILD)
    blueprint = load_blueprint("./child.yaml", tmp_path)
    assert (blueprint.document.id, blueprint.document.version, blueprint.project_types) == ("child", "2", ("ds",))
    assert [(stage.name, [check.id for check in stage.checks]) for stage in blueprint.stages] == [
        ("code", ["lint", "tests", "format"]),
        ("late", ["sast"]),
        ("last", ["secrets"]),
    ]
    tests = blueprint.stages[0].checks[1]
    assert {name: str(value) for name, value in tests.parameters.items()} == {"min_coverage": "0.9", "min_tests": "3"}
    assert {policy.name: policy.rule for policy in blueprint.policies} == {
        "approval": "all_required_checks_pass and coverage > 0.9",
        "extra": 'check_passes("lint")',
    }


def test_a_fault_of_the_parent_names_the_parent(tmp_path: Path) -> None:
    write(tmp_path, parent=PARENT.replace("SAST", "SASTT"), child=CHILD)
    with pytest.raises(ConfigurationError, match=r"parent.yaml:11:26: unknown check type 'SASTT'"):
        load_blueprint("./child.yaml", tmp_path)


def test_a_file_may_extend_a_built_in_blueprint(tmp_path: Path) -> None:
    write(tmp_path, own="id: own\nversion: 1\nextends: crypto-lib\nstages: []\n")
    assert len(load_blueprint("own.yaml", tmp_path).stages) == 2


def test_blueprints_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    write(tmp_path, a="id: a\nversion: 1\nextends: b.yaml\n", b="id: b\nversion: 1\nextends: a.yaml\n")
    with pytest.raises(ConfigurationError, match=r"extend each other: a.yaml → b.yaml → a.yaml") as caught:
        load_blueprint("a.yaml", tmp_path)
    assert str(caught.value.position) == "b.yaml:3:10"


@pytest.mark.parametrize("reference", ["../outside.yaml", "link.yaml", "sub/../../outside.yaml"])
def test_a_file_outside_of_the_repository_is_refused(tmp_path: Path, reference: str) -> None:
    project = tmp_path / "project"
    project.mkdir()
    write(tmp_path, outside=PARENT)
    (project / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    with pytest.raises(ConfigurationError, match="leads out of the project"):
        load_blueprint(reference, project)
    write(project, child=f"id: c\nversion: 1\nextends: {reference}\nstages: []\n")
    with pytest.raises(ConfigurationError, match="leads out of the project"):
        load_blueprint("child.yaml", project)


def test_a_project_of_a_repository_may_share_a_blueprint(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "service").mkdir()
    write(tmp_path, shared=PARENT)
    assert load_blueprint("../shared.yaml", tmp_path / "service").document.id == "parent"


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "huge.yaml").write_bytes(b"#" * ((1 << 20) + 1))
    for reference, message in {
        "folder.yaml": "is not a file",
        "gone.yaml": "does not exist",
        "huge.yaml": "more than 1024 KiB",
        "a\0.yaml": "no path",
        "": "is empty",
    }.items():
        with pytest.raises(ConfigurationError, match=message):
            load_blueprint(reference, tmp_path)


def test_a_rego_policy_carries_its_module(tmp_path: Path) -> None:
    module = "package quilate\ndefault allow := false\n"
    (tmp_path / "gate.rego").write_text(module, encoding="utf-8")
    write(tmp_path, b=PARENT.replace("approval: all_required_checks_pass", "approval: {engine: rego, file: gate.rego}"))
    policy = load_blueprint("b.yaml", tmp_path).policies[0]
    assert (policy.engine, policy.rule) == ("rego", module)
    write(tmp_path, b=PARENT.replace("approval: all_required_checks_pass", "approval: {file: ../gate.rego}"))
    with pytest.raises(ConfigurationError, match="leads out of the project"):
        load_blueprint("b.yaml", tmp_path)


class _Handler(BaseHTTPRequestHandler):
    content: ClassVar[bytes] = PARENT.encode()
    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.requests.append(self.path)
        if self.path == "/redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.1:1/b.yaml")
            self.end_headers()
            return
        body = b"#" * ((1 << 20) + 1) if self.path == "/huge" else self.content
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Keep the tests' output clean."""


def certificate(directory: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = directory / "server.pem"
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)
    file.write_bytes(private + built.public_bytes(encoding))
    return file


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    file = certificate(tmp_path_factory.mktemp("certificate"))
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    monkeypatch.setenv("no_proxy", "*")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    _Handler.requests.clear()
    bound = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    bound.socket = context.wrap_socket(bound.socket, server_side=True)
    with serving(bound) as port:
        yield f"https://127.0.0.1:{port}"


def test_a_pinned_url_is_verified_and_then_kept(server: str, tmp_path: Path) -> None:
    digest = hashlib.sha256(_Handler.content).hexdigest()
    reference = f"{server}/b.yaml#sha256={digest}"
    first = load_blueprint(reference, tmp_path)
    again = load_blueprint(reference, tmp_path)
    assert first.document == again.document
    assert _Handler.requests == ["/b.yaml"]
    cached = tmp_path / ".quilate" / "cache" / "blueprints" / f"{digest}.yaml"
    cached.write_bytes(b"id: forged\n")
    assert load_blueprint(reference, tmp_path).document == first.document
    assert _Handler.requests == ["/b.yaml", "/b.yaml"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/b.yaml", "has changed: its SHA-256 is"),
        ("/redirect", "which is not https"),
        ("/huge", "has more than 1 MiB"),
        ("/gone", "cannot be fetched: "),
    ],
)
def test_what_is_not_what_was_pinned_is_refused(server: str, tmp_path: Path, path: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_blueprint(f"{server}{path}#sha256={'0' * 64}", tmp_path)
    assert not list(tmp_path.rglob("*.yaml"))


@pytest.mark.parametrize(
    "reference",
    [
        "https://example.org/b.yaml",
        "http://example.org/b.yaml#sha256=" + "0" * 64,
        "file:///etc/passwd",
        "https://x#sha256=0",
    ],
)
def test_an_address_without_pin_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(ConfigurationError, match="is not pinned"):
        load_blueprint(reference, tmp_path)
