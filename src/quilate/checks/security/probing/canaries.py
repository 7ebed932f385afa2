"""Tiny broken services on which the endpoint checks of this family must go red."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from quilate.checks.api import Canary

_TLS_SERVER = """\
import contextlib
import pathlib
import socket
import ssl
import sys

here = pathlib.Path(__file__).parent
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(here / "server.pem")
with socket.create_server(("127.0.0.1", int(sys.argv[1]))) as listener:
    while True:
        connection, _ = listener.accept()
        with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)
"""

_HTTP_SERVER = """\
import http.server
import json
import sys

DOCUMENT = {
    "openapi": "3.0.3",
    "info": {"title": "canary", "version": "1"},
    "paths": {"/broken": {"get": {"responses": {"200": {"description": "never"}}}}},
}


class Handler(http.server.BaseHTTPRequestHandler):
    wbufsize = -1

    def do_GET(self):
        known = self.path == "/openapi.json"
        content = json.dumps(DOCUMENT if known else {"error": "broken"}).encode()
        self.send_response(200 if known else 500)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""


def write_tls_canary(directory: Path) -> Canary:
    """Write a self-signed certificate that expired yesterday and a server that shows it."""
    from cryptography import x509  # noqa: PLC0415 - heavy, and canaries are seldom written
    from cryptography.hazmat.primitives import hashes, serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - as above
    from cryptography.x509.oid import NameOID  # noqa: PLC0415 - as above

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "quilate canary")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=30))
        .not_valid_after(now - timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "server.pem").write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    server = directory / "server.py"
    server.write_text(_TLS_SERVER)
    return Canary(
        expected_rules=("QL-TLS-003", "QL-TLS-004", "QL-TLS-005"),
        binding={"url": "https://{url}"},
        serve=(sys.executable, str(server), "{port}"),
    )


def write_http_canary(directory: Path) -> Canary:
    """Write a service whose only operation answers with a server error."""
    server = directory / "server.py"
    server.write_text(_HTTP_SERVER)
    return Canary(
        expected_rules=("schemathesis/not_a_server_error",),
        parameters={"max_examples": 1},
        binding={"openapi": "http://{url}/openapi.json"},
        serve=(sys.executable, str(server), "{port}"),
    )
