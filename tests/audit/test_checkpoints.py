"""Signed notes, checkpoints and cosignatures as C2SP writes them (C10)."""

import base64
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from quilate.audit.checkpoints import (
    Checkpoint,
    cosign,
    is_signed_by,
    parse_checkpoint,
    sign_checkpoint,
    verify_raw,
    verify_signature,
)
from quilate.audit.keys import LocalSigner
from quilate.audit.notes import SignatureType, VerifierKey, parse_note, parse_verifier_key

CHECKPOINT = Checkpoint(origin="quilate/audit/test", size=20852163, root=bytes(range(32)))

# The example of the Go implementation of signed notes (golang.org/x/mod/sumdb/note).
NEUMANN_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NEUMANN_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)


def signer(kind: SignatureType, name: str = CHECKPOINT.origin) -> LocalSigner:
    private_key: Any = (
        MLDSA44PrivateKey.generate() if kind is SignatureType.COSIGNATURE_ML_DSA_44 else Ed25519PrivateKey.generate()
    )
    public_key = private_key.public_key().public_bytes_raw()
    return LocalSigner(verifier=VerifierKey(name=name, type=kind, public_key=public_key), private_key=private_key)


def test_a_note_of_another_implementation_is_verified() -> None:
    key = parse_verifier_key(NEUMANN_KEY)
    note = parse_note(NEUMANN_NOTE)

    assert str(key) == NEUMANN_KEY
    assert note.encode() == NEUMANN_NOTE
    assert note.signatures[0].is_by(key)
    assert verify_raw(key, note.text.encode(), note.signatures[0].signature)
    assert not verify_raw(key, note.text.encode() + b"!", note.signatures[0].signature)


@pytest.mark.parametrize("kind", list(SignatureType))
def test_each_kind_of_signature_holds_for_its_checkpoint_only(kind: SignatureType) -> None:
    own, other = signer(kind), signer(kind)
    signed = parse_checkpoint(sign_checkpoint(CHECKPOINT, [own], 1_700_000_000).encode())
    signature = signed.note.signatures[0]

    timestamp = verify_signature(own.verifier, signed, signature)
    assert timestamp == (0 if kind is SignatureType.ED25519 else 1_700_000_000)
    assert verify_signature(other.verifier, signed, signature) is None
    for change in ({"size": 1}, {"root": bytes(32)}, {"origin": "quilate/audit/another"}):
        forged = replace(CHECKPOINT, **change)
        note = sign_checkpoint(forged, [other], 0)
        changed = parse_checkpoint(replace(note, signatures=(signature,)).encode())
        assert verify_signature(own.verifier, changed, signature) is None
    flipped = bytes([signature.signature[0] ^ 1]) + signature.signature[1:]
    assert verify_signature(own.verifier, signed, replace(signature, signature=flipped)) is None
    assert verify_signature(own.verifier, signed, replace(signature, signature=b"short")) is None


def test_a_log_with_two_keys_must_use_both() -> None:
    keys = [signer(SignatureType.ED25519), signer(SignatureType.COSIGNATURE_ML_DSA_44)]
    verifiers = [each.verifier for each in keys]
    both = parse_checkpoint(sign_checkpoint(CHECKPOINT, keys, 5).encode())
    one = parse_checkpoint(sign_checkpoint(CHECKPOINT, keys[:1], 5).encode())

    assert is_signed_by(verifiers, both)
    assert not is_signed_by(verifiers, one)
    assert not is_signed_by([], both)


def test_a_witness_signs_beside_the_log() -> None:
    log, witness = signer(SignatureType.ED25519), signer(SignatureType.COSIGNATURE_ED25519, "witness.example/w1")
    note = sign_checkpoint(CHECKPOINT, [log], 0).encode() + f"{cosign(CHECKPOINT, witness, 77)}\n"
    signed = parse_checkpoint(note)

    assert is_signed_by([log.verifier], signed)
    assert verify_signature(witness.verifier, signed, signed.note.signatures[1]) == 77


@given(size=st.integers(0, 2**63 - 1), root=st.binary(min_size=32, max_size=32))
def test_every_checkpoint_is_read_as_it_was_written(size: int, root: bytes) -> None:
    checkpoint = Checkpoint(origin="log.example", size=size, root=root)
    note = checkpoint.text() + "\n\u2014 log.example " + base64.b64encode(b"12345").decode() + "\n"

    assert parse_checkpoint(note).checkpoint == checkpoint
    assert parse_checkpoint(note).note.encode() == note


GOOD = sign_checkpoint(CHECKPOINT, [signer(SignatureType.ED25519)], 0).encode()
_TEXT, _, _SIGNATURES = GOOD.rpartition("\n\n")


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        GOOD.removesuffix("\n"),
        GOOD.replace("\u2014 ", "- "),
        GOOD.replace("20852163", "020852163"),
        GOOD.replace("20852163", "-1"),
        GOOD.replace("20852163", "9" * 5000),
        GOOD.replace("20852163", "\u0661"),
        GOOD.replace("\n\n", "\n\nextra\n\n"),
        GOOD.replace("AAEC", "AAE"),
        GOOD.replace("quilate", "quilate\t"),
        GOOD.replace("quilate/audit/test\n", "x" * 300 + "\n"),
        f"{_TEXT}\n\n" + _SIGNATURES * 100,
        f"{_TEXT}\n\n\u2014 name AAAA\n",
        f"{_TEXT}\n\n\u2014 na+me AAAAAAAA\n",
        "one line\n\n" + _SIGNATURES,
    ],
)
def test_what_is_no_checkpoint_is_refused(note: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_checkpoint(note)


@given(st.text(max_size=200))
def test_no_text_from_a_stranger_crashes_the_readers(text: str) -> None:
    for read in (parse_checkpoint, parse_note, parse_verifier_key):
        try:
            read(text)
        except ValueError:
            continue


@pytest.mark.parametrize(
    "text",
    ["", "name", "name+00000000+", "name+00000000+AQ==", NEUMANN_KEY.replace("c74f20a3", "c74f20a4"), "n+1+/w=="],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        parse_verifier_key(text)
