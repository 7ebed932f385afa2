"""The Python files of the demonstration project, as they are and as they should be.

They are text here, so that nothing that reads Quilate's own sources takes the planted flaws for ours.
"""

_SCORING_HEAD = '"""Scores credit applications."""\n\n'
_SCORING = '''\
HIGHEST_SCORE = 1000
ACCEPTED_FROM = 600
HIGHEST_INSTALMENT_SHARE = 0.35


def score(income: int, debt: int) -> int:
    """Return a score between 0 and 1000: the less of the income is owed, the higher."""
    if income <= 0:
        return 0
    return max(0, min(HIGHEST_SCORE, round(HIGHEST_SCORE * (1 - debt / (12 * income)))))


def decide(income: int, debt: int) -> str:
    """Return ``accepted`` or ``refused``."""
    return "accepted" if score(income, debt) {comparison} ACCEPTED_FROM else "refused"


def affordable(income: int, instalment: int) -> bool:
    """Return whether an instalment leaves enough of the income."""
    return income > 0 and instalment / income <= HIGHEST_INSTALMENT_SHARE
'''

_EXPORT_FLAWED = '''\
"""Packs reports for the archive."""

import subprocess
from pathlib import Path


def pack(report: Path) -> Path:
    """Compress a report and return the new file."""
    subprocess.run(f"gzip --keep --force {report}", shell=True, check=True)
    return report.with_name(report.name + ".gz")
'''

_EXPORT_FIXED = '''\
"""Packs reports for the archive."""

import gzip
from pathlib import Path


def pack(report: Path) -> Path:
    """Compress a report and return the new file."""
    packed = report.with_name(report.name + ".gz")
    packed.write_bytes(gzip.compress(report.read_bytes(), mtime=0))
    return packed
'''

_TOKENS_FLAWED = '''\
"""Pseudonyms of customers and protected notes."""

import hashlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16


def pseudonym(customer: str, pepper: bytes) -> str:
    """Return a name that stands for a customer."""
    return hashlib.md5(pepper + customer.encode()).hexdigest()


def protect(note: bytes, key: bytes) -> bytes:
    """Encrypt a note."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    padded = note + b" " * (-len(note) % BLOCK)
    return encryptor.update(padded) + encryptor.finalize()


def reveal(protected: bytes, key: bytes) -> bytes:
    """Decrypt a note."""
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    return (decryptor.update(protected) + decryptor.finalize()).rstrip(b" ")
'''

_TOKENS_FIXED = '''\
"""Pseudonyms of customers and protected notes."""

import hashlib
import hmac
import os

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


def pseudonym(customer: str, pepper: bytes) -> str:
    """Return a name that stands for a customer."""
    return hmac.new(pepper, customer.encode(), hashlib.sha256).hexdigest()


def protect(note: bytes, key: bytes) -> bytes:
    """Encrypt a note; the nonce stands before it."""
    nonce = os.urandom(NONCE)
    return nonce + AESGCM(key).encrypt(nonce, note, None)


def reveal(protected: bytes, key: bytes) -> bytes:
    """Decrypt a note."""
    return AESGCM(key).decrypt(protected[:NONCE], protected[NONCE:], None)
'''

_TESTS = '''\
"""What the credit desk relies on."""

import gzip
import json
import threading
import urllib.error
import urllib.request

import pytest

from credit_risk import export, scoring, service, tokens


def test_less_debt_scores_higher():
    assert scoring.score(3000, 0) == 1000
    assert scoring.score(3000, 9000) == 750
    assert scoring.score(0, 0) == 0


def test_good_scores_are_accepted():
    assert scoring.decide(3000, 0) == "accepted"
    assert scoring.decide(1000, 12000) == "refused"


def test_instalments_must_be_affordable():
    assert scoring.affordable(1000, 350)
    assert not scoring.affordable(1000, 351)
    assert not scoring.affordable(0, 1)


def test_packed_reports_hold_what_the_report_held(tmp_path):
    report = tmp_path / "report.txt"
    report.write_text("fine")
    assert gzip.decompress(export.pack(report).read_bytes()) == b"fine"


def test_pseudonyms_are_stable_and_differ():
    assert tokens.pseudonym("ana", b"pepper") == tokens.pseudonym("ana", b"pepper")
    assert tokens.pseudonym("ana", b"pepper") != tokens.pseudonym("rui", b"pepper")


def test_notes_come_back():
    key = bytes(range(16))
    assert tokens.reveal(tokens.protect(b"a note", key), key) == b"a note"


@pytest.fixture
def base():
    server = service.make_server(0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def ask(url, body=None, method=None):
    request = urllib.request.Request(url, data=body, method=method)
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_service_scores(base):
    body = json.dumps({"applications": [{"income": 3000, "debt": 9000}]}).encode()
    assert ask(f"{base}/score", body) == (200, {"scores": [750]})


def test_the_service_refuses_what_it_does_not_know(base):
    assert ask(f"{base}/health") == (200, {"status": "ok"})
    assert ask(f"{base}/score", b"{")[0] == 400
    assert ask(f"{base}/score", b'{"applications": [{"income": true, "debt": 1}]}')[0] == 400
    assert ask(f"{base}/score", b'{"applications": []}')[0] == 400
    assert ask(f"{base}/score", b"x" * 70_000)[0] == 400
    assert ask(f"{base}/score")[0] == 405
    assert ask(f"{base}/nothing")[0] == 404
    assert ask(f"{base}/openapi.json")[1]["info"]["title"] == "Credit risk"


def test_the_command_line_names_both_ports():
    given = ["--port", "1", "--tls-port", "2", "--certificate", "server.pem", "--key", "server.key"]
    assert service.options_of(given).tls_port == 2
'''


def scoring(*, flawed: bool) -> str:
    """Return the module that scores: an unused import and a comparison the wrong way round, or neither."""
    head = _SCORING_HEAD + ("import statistics\n\n" if flawed else "")
    return head + _SCORING.format(comparison="<" if flawed else ">=")


def export(*, flawed: bool) -> str:
    """Return the module that packs reports: through a shell, or with the library."""
    return _EXPORT_FLAWED if flawed else _EXPORT_FIXED


def tokens(*, flawed: bool) -> str:
    """Return the module that protects data: MD5 and ECB, or HMAC-SHA-256 and GCM."""
    return _TOKENS_FLAWED if flawed else _TOKENS_FIXED


def tests() -> str:
    """Return the tests, which are the same before and after."""
    return _TESTS
