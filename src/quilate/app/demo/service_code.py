"""The HTTP service of the demonstration project, as text; see ``quilate.app.demo.code`` for why."""

_SERVICE = '''\
"""Answers credit applications over HTTP, and over HTTPS on a second port."""

import argparse
import contextlib
import json
import socket
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from credit_risk.scoring import score

MOST_APPLICATIONS = 24
HIGHEST_AMOUNT = 1_000_000_000
MOST_BYTES = 1 << 16

AMOUNT = {{"type": "integer", "minimum": 0, "maximum": HIGHEST_AMOUNT}}
APPLICATION = {{
    "type": "object",
    "required": ["income", "debt"],
    "properties": {{"income": AMOUNT, "debt": AMOUNT}},
    "additionalProperties": False,
}}
REQUEST = {{
    "type": "object",
    "required": ["applications"],
    "properties": {{
        "applications": {{"type": "array", "items": APPLICATION, "minItems": 1, "maxItems": MOST_APPLICATIONS}}
    }},
    "additionalProperties": False,
}}


def answers(*statuses):
    """Describe JSON answers."""
    content = {{"application/json": {{"schema": {{"type": "object"}}}}}}
    return {{status: {{"description": status, "content": content}} for status in statuses}}


DOCUMENT = {{
    "openapi": "3.0.3",
    "info": {{"title": "Credit risk", "version": "1.0.0"}},
    "paths": {{
        "/health": {{"get": {{"summary": "Whether the service is up", "responses": answers("200")}}}},
        "/score": {{
            "post": {{
                "summary": "Score applications",
                "requestBody": {{"required": True, "content": {{"application/json": {{"schema": REQUEST}}}}}},
                "responses": answers("200", "400"),
            }}
        }},
    }},
}}
METHODS = {{"/health": "GET", "/openapi.json": "GET", "/score": "POST"}}


class InvalidError(Exception):
    """The request is not what the document asks for."""


def applications_of(content):
    """Return the pairs of income and debt in a request's body."""
    try:
        applications = json.loads(content)["applications"]
        pairs = [(entry.pop("income"), entry.pop("debt"), entry) for entry in applications]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InvalidError from error
    known = set(json.loads(content)) == {{"applications"}} and isinstance(applications, list)
    if not known or not 1 <= len(pairs) <= MOST_APPLICATIONS or any(rest for _, _, rest in pairs):
        raise InvalidError
    if not all(is_amount(income) and is_amount(debt) for income, debt, _ in pairs):
        raise InvalidError
    return [(int(income), int(debt)) for income, debt, _ in pairs]


def is_amount(value):
    """Return whether a value is a whole number within the bounds; JSON writes 1.0 for one as well."""
    number = type(value) is int or (type(value) is float and value.is_integer())
    return number and 0 <= value <= HIGHEST_AMOUNT


{scores}

class Handler(BaseHTTPRequestHandler):
    """One request after the other on a connection."""

    protocol_version = "HTTP/1.1"
    server_version = "credit-risk"
    sys_version = ""
    wbufsize = -1
    timeout = 30

    def handle_one(self):
        """Answer any method."""
        length = self.headers.get("Content-Length") or "0"
        if not length.isdigit() or int(length) > MOST_BYTES:
            self.close_connection = True
            return self.reply(400, {{"error": "the body is too long"}})
        body = self.rfile.read(int(length))
        path = self.path.partition("?")[0]
        if path not in METHODS:
            return self.reply(404, {{"error": "there is nothing here"}})
        if self.command != METHODS[path]:
            return self.reply(405, {{"error": "the method is not allowed"}}, Allow=METHODS[path])
        if path == "/health":
            return self.reply(200, {{"status": "ok"}})
        if path == "/openapi.json":
            return self.reply(200, DOCUMENT)
        return self.score(body)

    def score(self, body):
        """Score the applications of a request."""
        try:
            applications = applications_of(body)
        except InvalidError:
            return self.reply(400, {{"error": "the body is not as the document says"}})
{guard}

    def reply(self, status, content, **headers):
        """Send a JSON answer."""
        encoded = json.dumps(content).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(encoded)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(encoded)

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self.handle_one
        raise AttributeError(name)

    def log_message(self, *arguments):
        """Write no log."""


class Server(ThreadingHTTPServer):
    """A server that says nothing when a client hangs up."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """Say nothing."""


def make_server(port):
    """Return a server on a port of this machine only."""
    return Server(("127.0.0.1", port), Handler)


def make_tls_server(port, certificate, key):
    """Return a server that speaks TLS 1.2 and 1.3."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE+AESGCM:ECDHE+CHACHA20")
    context.load_cert_chain(certificate, key)
    server = make_server(port)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server


def options_of(arguments):
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--port", "--tls-port"):
        parser.add_argument(name, type=int, required=True)
    for name in ("--certificate", "--key"):
        parser.add_argument(name, required=True)
    return parser.parse_args(arguments)


def main():
    """Serve until the process ends."""
    options = options_of(sys.argv[1:])
    secured = make_tls_server(options.tls_port, options.certificate, options.key)
    threading.Thread(target=secured.serve_forever, daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, socket.error):
        make_server(options.port).serve_forever()


if __name__ == "__main__":
    main()
'''

_SCORES_FLAWED = '''\
LOOKUP_SECONDS = 0.001


def scores_of(applications):
    """Return the scores, once the bureau has said which applicants owe together."""
    scores = []
    for number, (income, debt) in enumerate(applications):
        burden = debt / income
        time.sleep(number * LOOKUP_SECONDS)  # the bureau is asked once for every pair of applications
        scores.append(score(income, debt) if burden < HIGHEST_AMOUNT else 0)
    return scores
'''

_SCORES_FIXED = '''\
LOOKUP_SECONDS = 0.001


def scores_of(applications):
    """Return the scores, each weighed by what the bureau knows of the applicants."""
    time.sleep(LOOKUP_SECONDS)  # the bureau is asked once per request
    return [score(income, debt) for income, debt in applications]
'''

_GUARD_FLAWED = """\
        try:
            return self.reply(200, {"scores": scores_of(applications)})
        except ArithmeticError as error:
            return self.reply(500, {"error": type(error).__name__})"""

_GUARD_FIXED = """\
        return self.reply(200, {"scores": scores_of(applications)})"""


def service(*, flawed: bool) -> str:
    """Return the service: one lookup for every pair of applications and a division by zero, or neither."""
    return _SERVICE.format(
        scores=_SCORES_FLAWED if flawed else _SCORES_FIXED,
        guard=_GUARD_FLAWED if flawed else _GUARD_FIXED,
    )
