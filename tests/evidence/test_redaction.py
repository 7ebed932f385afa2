"""Redaction: what looks like a secret is masked, ordinary code stays readable (C16).

The secrets are made here from pieces, so that no scanner takes this file for a leak.
"""

import base64
import hashlib
import itertools
import random
import string
import time
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.evidence.redaction import MASK, MAX_TEXT, private_key_lines, redact, redact_known, secret_spans

ALPHANUMERIC = string.ascii_letters + string.digits


def drawn(source: random.Random, alphabet: str, length: int) -> str:
    return "".join(source.choices(alphabet, k=length))


def token_corpus(seed: int) -> dict[str, str]:
    """Return one token per known shape."""
    source = random.Random(seed)  # noqa: S311 - test data that must be the same every time
    upper = string.ascii_uppercase + string.digits

    def part(length: int) -> str:
        return drawn(source, ALPHANUMERIC, length)

    def claims(text: str) -> str:
        return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")

    return {
        "aws": "AK" + "IA" + drawn(source, upper, 16),
        "aws-session": "AS" + "IA" + drawn(source, upper, 16),
        "github": "gh" + "p_" + part(36),
        "github-oauth": "gh" + "o_" + part(36),
        "github-fine": "github" + "_pat_" + part(22) + "_" + part(59),
        "gitlab": "gl" + "pat-" + part(20),
        "slack": "xo" + "xb-" + drawn(source, string.digits, 12) + "-" + part(24),
        "slack-hook": "hooks.slack.com/" + "services/T" + part(8) + "/B" + part(8) + "/" + part(24),
        "jwt": claims('{"alg":"HS256"}') + "." + claims('{"sub":"1234567890"}') + "." + part(43),
        "openai": "s" + "k-" + part(48),
        "stripe": "sk" + "_live_" + part(24),
        "google": "AI" + "za" + part(35),
        "npm": "np" + "m_" + part(36),
        "pypi": "py" + "pi-" + part(64),
        "hugging-face": "h" + "f_" + part(34),
        "sendgrid": "S" + "G." + part(22) + "." + part(43),
    }


TEMPLATES = ("{}", 'x = "{}"', "curl -H 'X: {}' host", "see {} there", "[{}]", "a={},b")


@pytest.mark.parametrize("name", token_corpus(0))
@pytest.mark.parametrize("mask", [redact, redact_known])
def test_known_tokens_are_masked_wherever_they_stand(name: str, mask: Callable[[str], str]) -> None:
    for seed, template in itertools.product(range(20), TEMPLATES):
        token = token_corpus(seed)[name]
        masked = mask(template.format(token))
        assert MASK in masked
        assert not any(token[start : start + 8] in masked for start in range(4, len(token) - 7))


@pytest.mark.parametrize(
    "template",
    [
        'password = "{}"',
        "password='{}'",
        'PASSWORD="{}"',
        "db_password: '{}'",
        '"api_key": "{}"',
        "'api-key': '{}'",
        'API_KEY = f"{}"',
        'client_secret=b"{}"',
        'os.environ["ACCESS_TOKEN"] = "{}"',
        'connect(host="h", password="{}", port=1)',
        'token: str = "{}"',
        'token: str | None = "{}"',
        'if password == "{}":',
        'getenv("SECRET", "{}")',
        'passphrase := "{}"',
        'key = "{}"',
        'private_key = """{}"""',
        "aws_secret_access_key = ('{}')",
        "PASSWORD={}",
        "export API_TOKEN={}",
        "password: {}",
        "  - secret: {}",
        "DB_PASSWORD = {}  # the old one",
        "run --password {} --verbose",
        "run --api-key={}",
        "https://host.test/x?access_token={}&y=1",
        "https://host.test/x?y=1&sig={}",
        "Authorization: Bearer {}",
        "postgresql://user:{}@db.test:5432/x",
        "https://{}@git.test/r.git",
        "redis://:{}@cache.test",
    ],
)
@pytest.mark.parametrize("secret", ["correcthorsebattery", "Hunter2Hunter2!", "p@ss%word-1234"])
def test_values_with_a_secrets_name_are_masked(template: str, secret: str) -> None:
    if "https://{}@" in template:
        secret = secret.replace("@", "")
    text = template.format(secret)

    assert secret not in redact(text)
    assert secret not in redact_known(text)
    assert redact(text).count(MASK) >= 1


@pytest.mark.parametrize("length", [32, 40, 64, 128])
def test_long_random_text_is_masked(length: int) -> None:
    source = random.Random(length)  # noqa: S311 - as above
    for _ in range(60):
        secrets = [
            drawn(source, ALPHANUMERIC, length),
            drawn(source, "0123456789abcdef", length),
            base64.b64encode(source.randbytes(length)).decode(),
            base64.urlsafe_b64encode(source.randbytes(length)).decode(),
            drawn(source, string.ascii_lowercase + string.digits, length),
        ]
        for secret in secrets:
            assert secret not in redact(f"value {secret} end"), secret


def test_a_private_key_is_masked_in_full() -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    text = f"before\n{pem.decode()}after"

    assert redact(text) == f"before\n{MASK}\nafter"
    assert private_key_lines(text.splitlines()) == {2, 3, 4}


def test_an_open_private_key_is_masked_to_the_end() -> None:
    begin = "-----BEGIN RSA " + "PRIVATE KEY-----"

    assert redact(f"x\n{begin}\nabc\ndef") == f"x\n{MASK}"
    assert private_key_lines(["x", begin, "abc", "def"]) == {2, 3, 4}


def test_public_keys_and_certificates_are_no_private_keys() -> None:
    assert private_key_lines(["-----BEGIN CERTIFICATE-----", "MIIB", "-----END CERTIFICATE-----"]) == frozenset()


@pytest.mark.parametrize(
    "code",
    [
        "ctx.verify_mode = ssl.CERT_NONE",
        "from quilate.evidence.redaction import MASK",
        "def test_the_quick_brown_fox_jumps_over_2_lazy_dogs() -> None:",
        "    token: str",
        "    password: str | None = None",
        "token = get_token(request)",
        "key = compute(a, b)",
        "hashlib.md5(key).hexdigest()",
        "assert response.status_code == 200",
        "https://docs.python.org/3/library/ssl.html#ssl.CERT_NONE",
        "https://host.test:8080/path",
        "class DistributedTransactionCoordinatorFactory(AbstractCoordinatorFactory):",
        "src/quilate/evidence/redaction.py",
        "import numpy as np  # noqa: F401",
    ],
)
def test_ordinary_code_stays_readable(code: str) -> None:
    assert redact(code) == code


def test_digests_stay_readable_where_only_known_shapes_are_masked() -> None:
    digest = hashlib.sha256(b"x").hexdigest()

    assert redact_known(f"sha256:{digest}") == f"sha256:{digest}"
    assert digest not in redact(f"sha256:{digest}")


@given(st.text(max_size=200))
def test_masking_twice_changes_nothing_more_and_spans_are_in_order(text: str) -> None:
    spans = secret_spans(text)

    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))


@given(st.text("abAB09 =:\"'@/_-.\n", max_size=80), st.sampled_from(["password", "token=", "://", "key: ", "sk-"]))
def test_masking_twice_leaves_no_more_text_visible(text: str, name: str) -> None:
    once = redact(text + name + text)

    assert len(redact(once).replace(MASK, "")) <= len(once.replace(MASK, ""))


@settings(max_examples=100)
@given(st.text(max_size=60), st.text(max_size=60), st.integers(0, 10**6))
def test_no_surrounding_text_brings_a_token_out(before: str, after: str, seed: int) -> None:
    token = token_corpus(seed)["github"]

    assert token not in redact(f"{before} {token} {after}")


def test_text_beyond_the_bound_is_cut_off_never_shown_unmasked() -> None:
    text = "a " * MAX_TEXT + 'password = "hunter2"'

    assert len(redact(text)) <= MAX_TEXT


@pytest.mark.parametrize(
    "piece", ["a_", "key", 'key="', "://a:", "eyJaaaaaa.", "password ", 'password = """', " ", "\t -", "--a-a-", "gh_"]
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    def seconds(length: int) -> float:
        text = (piece * length)[:length]
        started = time.process_time()
        redact(text)
        return time.process_time() - started

    # Quadratic work would be 64 times as much for 8 times the text.
    assert seconds(MAX_TEXT) < 0.2 + 24 * min(seconds(MAX_TEXT // 8) for _ in range(2))
