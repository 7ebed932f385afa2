"""DSSE envelopes: the specification's vector, and hostile envelopes (C10, D09)."""

import base64
import json
from typing import Any

import pytest

from quilate.seals.dsse import (
    PAYLOAD_TYPE,
    Envelope,
    Signature,
    parse_envelope,
    pre_authentication_encoding,
)


def envelope(**changes: Any) -> bytes:
    document = {"payloadType": PAYLOAD_TYPE, "payload": "e30=", "signatures": [{"keyid": "k", "sig": "AAAA"}]}
    return json.dumps(document | changes).encode()


def test_the_encoding_is_that_of_the_specification() -> None:
    encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world")

    assert encoded == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"


def test_lengths_count_bytes_not_characters() -> None:
    assert pre_authentication_encoding("é", "ß".encode()) == b"DSSEv1 2 \xc3\xa9 2 \xc3\x9f"


def test_the_specifications_envelope_is_read() -> None:
    signature = "A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA=="
    content = {
        "payload": "aGVsbG8gd29ybGQ=",
        "payloadType": "http://example.com/HelloWorld",
        "signatures": [{"sig": signature}],
    }

    read = parse_envelope(json.dumps(content).encode())

    assert read.payload == b"hello world"
    assert read.signatures == (Signature(key_id="", signature=base64.b64decode(signature)),)


def test_what_is_written_is_read_back() -> None:
    written = Envelope(
        payload_type=PAYLOAD_TYPE, payload=b"\xff\xfe{}", signatures=(Signature(key_id="k", signature=b"\xfb" * 64),)
    )

    assert parse_envelope(written.encode()) == written


def test_url_safe_base64_is_read_as_the_specification_demands() -> None:
    payload = b"\xfb\xff\xfe"
    text = base64.urlsafe_b64encode(payload).decode()

    assert "-" in text
    assert parse_envelope(envelope(payload=text)).payload == payload


def test_unknown_members_are_ignored_as_the_specification_demands() -> None:
    assert parse_envelope(envelope(extra={"a": 1})).payload == b"{}"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"payload":"e30=","payload":"e30=","payloadType":"x","signatures":[{"sig":"AAAA"}]}',
        b'{"a":' * 100_000,
        b"[" * 100_000,
        b'{"a":NaN}',
        b" " * (2 << 20),
        envelope(payload=None),
        envelope(payload=7),
        envelope(payload="e30"),
        envelope(payload="e31="),
        envelope(payload="e3 0="),
        envelope(payload="é30="),
        envelope(payload="+-=="),
        envelope(payloadType=None),
        envelope(signatures=None),
        envelope(signatures=[]),
        envelope(signatures={}),
        envelope(signatures=[7]),
        envelope(signatures=[{"keyid": "k"}]),
        envelope(signatures=[{"keyid": 7, "sig": "AAAA"}]),
        envelope(signatures=[{"keyid": "k", "sig": "AAAA"}] * 17),
    ],
    ids=lambda content: content[:40].decode("ascii", "replace"),
)
def test_a_hostile_envelope_is_refused_by_its_reader(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_envelope(content)
