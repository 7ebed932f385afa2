"""An OpenID Connect issuer on loopback: discovery, keys that rotate, logins with PKCE, tokens of CI jobs."""

import base64
import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingHttp
from tests.support.servers import QuietServer, serving

CLIENT_ID = "quilate-client"
AUDIENCE = "https://quilate.example.org"
GITHUB_SUBJECT = "repo:example/service:ref:refs/heads/main"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key of the issuer."""

    kid: str
    algorithm: str
    private: Any

    def public(self) -> dict[str, Any]:
        """Return its public half as a JWK."""
        algorithm = jwt.get_algorithm_by_name(self.algorithm)
        values: dict[str, Any] = json.loads(algorithm.to_jwk(self.private.public_key()))
        return {**values, "kid": self.kid, "use": "sig", "alg": self.algorithm}


def new_key(algorithm: str = "ES256") -> SigningKey:
    """Make a key."""
    private: Any
    if algorithm == "RS256":
        private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif algorithm == "EdDSA":
        private = ed25519.Ed25519PrivateKey.generate()
    else:
        private = ec.generate_private_key(ec.SECP256R1())
    return SigningKey(uuid4().hex, algorithm, private)


@dataclass(slots=True, kw_only=True)
class Issuer:
    """The issuer as tests steer it.

    Attributes:
        url: Its ``iss``.
        keys: Published ones; the last one signs.
        down: It answers 503 to everything.
        claimed_issuer: What its discovery document calls it, where that is not the truth.
        person: Claims about whoever logs in.
        client_secret: Asked for by the token endpoint, unless empty.
        token_changes: What the next ID tokens say instead of the truth.
        asked: Paths of the requests that came.
    """

    url: str = ""
    keys: list[SigningKey] = field(default_factory=lambda: [new_key()])
    down: bool = False
    claimed_issuer: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    client_secret: str = ""
    token_changes: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    def rotate(self, algorithm: str = "ES256", *, keep: bool = False) -> None:
        """Sign with another key from now on; the one before is withdrawn unless it is kept."""
        self.keys = [*(self.keys if keep else []), new_key(algorithm)]

    def sign(self, claims: Mapping[str, Any], *, key: SigningKey | None = None, **header: Any) -> str:
        """Return a token that says exactly this."""
        signer = key or self.keys[-1]
        headers = {"kid": signer.kid, **header}
        return jwt.encode(dict(claims), signer.private, algorithm=signer.algorithm, headers=headers)

    def standard(self, **changes: Any) -> dict[str, Any]:
        """Return the claims that every token has; ``None`` leaves one out."""
        now = int(time.time())
        claims = {
            "iss": self.url,
            "sub": GITHUB_SUBJECT,
            "aud": AUDIENCE,
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            "jti": uuid4().hex,
            **changes,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def github(self, **changes: Any) -> dict[str, Any]:
        """Return what GitHub says about a job on the main branch."""
        said = {
            "repository": "example/service",
            "repository_id": "7391",
            "repository_owner": "example",
            "repository_owner_id": "42",
            "ref": "refs/heads/main",
            "ref_type": "branch",
            "sha": "a" * 40,
            "event_name": "push",
            "workflow": "gate",
            "workflow_ref": "example/service/.github/workflows/gate.yml@refs/heads/main",
            "run_id": "123456",
            "run_attempt": "1",
            "head_ref": "",
            "base_ref": "",
        }
        return self.standard(**{**said, **changes})

    def gitlab(self, **changes: Any) -> dict[str, Any]:
        """Return what GitLab says about a job on the main branch."""
        said = {
            "sub": "project_path:example/service:ref_type:branch:ref:main",
            "project_path": "example/service",
            "project_id": "28",
            "ref": "main",
            "ref_type": "branch",
            "ref_protected": "true",
            "pipeline_source": "push",
            "pipeline_id": "1",
            "job_id": "1123",
            "environment": "production",
        }
        return self.standard(**{**said, **changes})

    def grant(self, request: Mapping[str, str]) -> str:
        """Let the person log in; return the code."""
        code = uuid4().hex
        self.codes[code] = dict(request)
        return code

    def redeem(self, form: Mapping[str, str], secret: str) -> tuple[int, dict[str, Any]]:
        """Answer the token endpoint (RFC 6749, 4.1.3; RFC 7636, 4.6)."""
        asked = self.codes.pop(form.get("code", ""), None)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        wrong = asked is None or asked["redirect_uri"] != form.get("redirect_uri")
        if asked is None or wrong or asked["code_challenge"] != challenge:
            return 400, {"error": "invalid_grant"}
        if secret != self.client_secret:
            return 401, {"error": "invalid_client"}
        claims = self.standard(aud=CLIENT_ID, nonce=asked["nonce"], **{"sub": "person-1", **self.person})
        claims = {name: value for name, value in {**claims, **self.token_changes}.items() if value is not None}
        return 200, {"access_token": "opaque", "token_type": "Bearer", "id_token": self.sign(claims)}


def loopback_http() -> OutgoingHttp:
    """Return what may reach the issuer."""
    return OutgoingHttp(policy=AddressPolicy(allow_private=("127.0.0.1",), allow_plain_http=True))


@contextmanager
def running_issuer() -> Iterator[Issuer]:
    """Serve an issuer for the time of the block."""
    issuer = Issuer()

    class Handler(_Handler):
        state = issuer

    with serving(QuietServer(("127.0.0.1", 0), Handler)) as port:
        issuer.url = f"http://127.0.0.1:{port}"
        yield issuer


class _Handler(BaseHTTPRequestHandler):
    state: Issuer

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.state.asked.append(parts.path)
        if self.state.down:
            self._answer(503, {"error": "down"})
        elif parts.path == "/.well-known/openid-configuration":
            self._answer(200, self._discovery())
        elif parts.path == "/keys":
            self._answer(200, {"keys": [key.public() for key in self.state.keys]})
        elif parts.path == "/authorize":
            self._authorize(dict(parse_qsl(parts.query)))
        else:
            self._answer(404, {})

    def do_POST(self) -> None:
        self.state.asked.append(self.path)
        body = self.rfile.read(int(self.headers.get("content-length", "0"))).decode()
        if self.state.down or self.path != "/token":
            self._answer(503, {"error": "down"})
            return
        scheme, _, credentials = self.headers.get("authorization", "").partition(" ")
        basic = base64.b64decode(credentials).decode() if scheme.lower() == "basic" else ""
        status, document = self.state.redeem(dict(parse_qsl(body)), unquote(basic.partition(":")[2]))
        self._answer(status, document)

    def _discovery(self) -> dict[str, Any]:
        url = self.state.url
        return {
            "issuer": self.state.claimed_issuer or url,
            "jwks_uri": f"{url}/keys",
            "authorization_endpoint": f"{url}/authorize",
            "token_endpoint": f"{url}/token",
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
            "code_challenge_methods_supported": ["S256"],
        }

    def _authorize(self, asked: dict[str, str]) -> None:
        right = asked.get("client_id") == CLIENT_ID and asked.get("response_type") == "code"
        if not right or asked.get("code_challenge_method") != "S256" or "openid" not in asked.get("scope", "").split():
            self._answer(400, {"error": "invalid_request"})
            return
        self.send_response(302)
        words = urlencode({"code": self.state.grant(asked), "state": asked["state"]})
        self.send_header("Location", f"{asked['redirect_uri']}?{words}")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, document: Mapping[str, Any]) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the interface's name
        """Say nothing."""
