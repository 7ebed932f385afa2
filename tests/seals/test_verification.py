"""Seals: what is signed, and every way in which one is refused (C10, D09)."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.domain.errors import InternalError
from quilate.domain.verdict import Verdict
from quilate.kit.canonical import canonical_json, sha256_of
from quilate.seals.dsse import PAYLOAD_TYPE, Envelope, Signature, parse_envelope
from quilate.seals.keys import SigningKey
from quilate.seals.sealing import seal_decision
from quilate.seals.statement import EXTENSION, Environment, parse_statement
from quilate.seals.verification import Expectations, RefusalCode, VerificationResult, verify_seal
from tests.support.decisions import BLUEPRINT_DIGEST, PROFILE_DIGEST, SUBJECT_DIGEST, decided

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
EXPECTED = Expectations(
    policy_digest=BLUEPRINT_DIGEST, subject_digest=SUBJECT_DIGEST, profile_digest=PROFILE_DIGEST, allow_local=True
)


def signing_key(name: str = "key") -> SigningKey:
    return SigningKey(
        key_id=sha256_of(name.encode()), private_key=Ed25519PrivateKey.from_private_bytes(name.encode().ljust(32))
    )


KEY = signing_key()
DECISION, _INPUT = decided()
SEAL = seal_decision(DECISION, sealed_at=NOW, key=KEY)


def verified(seal: bytes = SEAL, expected: Expectations = EXPECTED, **changes: Any) -> VerificationResult:
    arguments: dict[str, Any] = {"trusted_keys": [KEY.verification_key()], "decision_bytes": DECISION, "now": NOW}
    return verify_seal(seal, expected=expected, **(arguments | changes))


def codes(result: VerificationResult) -> set[str]:
    assert not result.accepted
    assert all(refusal.message and refusal.next_step for refusal in result.refusals)
    return {refusal.code.value for refusal in result.refusals}


def resigned(change: Any, key: SigningKey = KEY) -> bytes:
    """Return a seal whose statement was changed before the signer signed it."""
    statement = json.loads(parse_envelope(SEAL).payload)
    change(statement)
    return signed(canonical_json(statement), key)


def signed(payload: bytes, key: SigningKey = KEY, payload_type: str = PAYLOAD_TYPE) -> bytes:
    unsigned = Envelope(payload_type=payload_type, payload=payload, signatures=())
    signature = Signature(key_id=key.key_id, signature=key.sign(unsigned.signed_bytes()))
    return replace(unsigned, signatures=(signature,)).encode()


def test_a_seal_that_says_what_is_expected_is_accepted() -> None:
    result = verified()

    assert result.accepted
    assert result.statement is not None
    assert result.statement.verdict is Verdict.PASS
    assert set(result.checked) >= {"signature", "subject", "policy", "profile", "decision"}


def test_a_seal_alone_is_enough() -> None:
    assert verified(decision_bytes=None).accepted


def test_the_statement_is_a_verification_summary() -> None:
    statement = json.loads(parse_envelope(SEAL).payload)
    predicate = statement["predicate"]

    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert statement["subject"] == [{"name": "credit-risk", "digest": {"sha256": "5e" * 32}}]
    assert predicate["verificationResult"] == "PASSED"
    assert predicate["policy"]["digest"] == {"sha256": "b1" * 32}
    assert predicate["timeVerified"] == "2026-11-21T12:00:00Z"
    assert predicate["inputAttestations"][0]["digest"] == {"sha256": sha256_of(DECISION).removeprefix("sha256:")}
    assert not any(level.startswith("SLSA_") for level in predicate["verifiedLevels"])
    assert predicate[EXTENSION]["environment"] == "local"
    assert set(predicate) >= {"verifier", "resourceUri", "verifiedLevels"}


def test_the_same_decision_gives_the_same_seal() -> None:
    assert seal_decision(DECISION, sealed_at=NOW, key=KEY) == SEAL


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.UNKNOWN])
def test_only_pass_becomes_passed(verdict: Verdict) -> None:
    decision, _ = decided(verdict)
    seal = seal_decision(decision, sealed_at=NOW, key=KEY)
    predicate = json.loads(parse_envelope(seal).payload)["predicate"]

    assert predicate["verificationResult"] == "FAILED"
    assert predicate["verifiedLevels"] == ["FAILED"]
    assert predicate[EXTENSION]["verdict"] == verdict.value
    assert codes(verified(seal, decision_bytes=decision)) == {"not_passed"}


def test_an_unknown_that_claims_passed_is_refused() -> None:
    def claim(statement: dict[str, Any]) -> None:
        statement["predicate"][EXTENSION]["verdict"] = "UNKNOWN"

    assert codes(verified(resigned(claim))) == {"malformed"}


def test_a_key_that_is_not_trusted_is_refused() -> None:
    assert codes(verified(trusted_keys=[])) == {"unknown_key"}
    assert codes(verified(trusted_keys=[signing_key("other").verification_key()])) == {"unknown_key"}


def test_the_key_id_proves_nothing() -> None:
    other = signing_key("other")
    forged = seal_decision(DECISION, sealed_at=NOW, key=replace(other, key_id=KEY.key_id))

    assert codes(verified(forged)) == {"bad_signature"}


def test_a_changed_key_id_is_refused() -> None:
    document = json.loads(SEAL)
    document["signatures"][0]["keyid"] = "sha256:" + "0" * 64

    assert codes(verified(json.dumps(document).encode())) == {"unknown_key"}


def test_one_good_signature_among_others_is_enough() -> None:
    envelope = parse_envelope(SEAL)
    junk = Signature(key_id=KEY.key_id, signature=b"\0" * 64)

    assert verified(replace(envelope, signatures=(junk, *envelope.signatures)).encode()).accepted


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"policy_digest": "sha256:" + "0" * 64}, "wrong_policy"),
        ({"policy_digest": ""}, "wrong_policy"),
        ({"profile_digest": "sha256:" + "0" * 64}, "wrong_profile"),
        ({"subject_digest": "sha256:" + "0" * 64}, "wrong_subject"),
        ({"allow_local": False}, "local_not_allowed"),
    ],
)
def test_a_seal_about_something_else_is_refused(changes: dict[str, Any], code: str) -> None:
    assert codes(verified(expected=replace(EXPECTED, **changes))) == {code}


def test_all_reasons_are_named_at_once() -> None:
    expected = Expectations(policy_digest="a", subject_digest="b", profile_digest="c")

    assert codes(verified(expected=expected, decision_bytes=b"{}")) == {
        "wrong_policy",
        "wrong_profile",
        "wrong_subject",
        "local_not_allowed",
        "tampered_decision",
    }


def test_a_service_seal_needs_no_allowance() -> None:
    seal = seal_decision(DECISION, sealed_at=NOW, key=KEY, environment=Environment.SERVICE)

    assert verified(seal, replace(EXPECTED, allow_local=False)).accepted


def test_this_machines_key_makes_local_seals_whatever_they_say() -> None:
    seal = seal_decision(DECISION, sealed_at=NOW, key=KEY, environment=Environment.SERVICE)
    result = verified(seal, replace(EXPECTED, allow_local=False), trusted_keys=[KEY.verification_key(local=True)])

    assert codes(result) == {"local_not_allowed"}


def test_a_seal_from_the_future_is_refused() -> None:
    assert codes(verified(now=NOW - timedelta(minutes=6))) == {"in_the_future"}
    assert verified(now=NOW - timedelta(minutes=4)).accepted


def test_an_old_seal_is_refused_where_an_age_is_set() -> None:
    expected = replace(EXPECTED, max_age=timedelta(days=7))

    assert codes(verified(expected=expected, now=NOW + timedelta(days=8))) == {"expired"}
    assert verified(expected=expected, now=NOW + timedelta(days=6)).accepted


def test_another_decision_beside_the_seal_is_refused() -> None:
    failed, _ = decided(Verdict.FAIL)

    assert codes(verified(decision_bytes=failed)) == {"tampered_decision"}


def test_a_signer_that_says_another_thing_than_it_decided_is_refused() -> None:
    failed, _ = decided(Verdict.FAIL)

    def lie(statement: dict[str, Any]) -> None:
        statement["predicate"][EXTENSION]["decisionDigest"] = sha256_of(failed)

    assert codes(verified(resigned(lie), decision_bytes=failed)) == {"tampered_decision"}


@pytest.mark.parametrize(
    "change",
    [
        lambda s: s.update(_type="https://in-toto.io/Statement/v0.1"),
        lambda s: s.update(predicateType="https://slsa.dev/provenance/v1"),
        lambda s: s.update(subject=[]),
        lambda s: s.update(subject=[*s["subject"], *s["subject"]]),
        lambda s: s["subject"][0].update(digest={"sha1": "00"}),
        lambda s: s["subject"][0].update(digest={"sha256": "xyz"}),
        lambda s: s["predicate"].update(verificationResult="passed"),
        lambda s: s["predicate"].update(verificationResult=True),
        lambda s: s["predicate"].update(timeVerified="yesterday"),
        lambda s: s["predicate"].update(timeVerified="2026-11-21T12:00:00"),
        lambda s: s["predicate"]["policy"].update(digest={"sha256": "0" * 64}),
        lambda s: s["predicate"]["verifier"].update(id="quilate:verifier/service"),
        lambda s: s["predicate"].pop(EXTENSION),
        lambda s: s["predicate"][EXTENSION].update(environment="production"),
        lambda s: s["predicate"][EXTENSION].update(profileDigest="md5:0"),
    ],
)
def test_a_signed_statement_that_is_no_seal_is_refused(change: Any) -> None:
    assert codes(verified(resigned(change))) == {"malformed"}


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"\xff", b'{"a":1,"a":2}', b"[" * 10_000])
def test_a_signed_payload_that_is_no_statement_is_refused(payload: bytes) -> None:
    assert codes(verified(signed(payload))) == {"malformed"}


def test_a_signature_over_another_type_is_refused() -> None:
    payload = parse_envelope(SEAL).payload

    assert codes(verified(signed(payload, payload_type="application/json"))) == {"malformed"}
    retyped = json.loads(SEAL) | {"payloadType": "application/json"}
    assert codes(verified(json.dumps(retyped).encode())) == {"bad_signature"}


def test_unknown_members_of_the_statement_are_ignored() -> None:
    assert verified(resigned(lambda statement: statement["predicate"].update({"slsaVersion": "1.1"}))).accepted


def test_what_is_no_decision_is_not_sealed() -> None:
    for content in (b"", b"{}", b"null", b'{"subject": 7}'):
        with pytest.raises(InternalError):
            seal_decision(content, sealed_at=NOW, key=KEY)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_changed_byte_of_payload_or_signature_is_refused(data: st.DataObject) -> None:
    envelope = parse_envelope(SEAL)
    part = data.draw(st.sampled_from(["payload", "signature"]))
    content = bytearray(envelope.payload if part == "payload" else envelope.signatures[0].signature)
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    if part == "payload":
        changed = replace(envelope, payload=bytes(content))
    else:
        changed = replace(envelope, signatures=(replace(envelope.signatures[0], signature=bytes(content)),))

    assert codes(verified(changed.encode())) == {"bad_signature"}


def test_any_flipped_bit_of_the_encoded_payload_or_signature_is_refused() -> None:
    envelope = parse_envelope(SEAL)
    for raw in (envelope.payload, envelope.signatures[0].signature):
        text = base64.b64encode(raw)
        start = SEAL.index(text)
        # Every bit of the ends, where the padding lies, and of a sample between them.
        positions = {*range(8), *range(len(text) - 8, len(text)), *range(8, len(text) - 8, 61)}
        for position in positions:
            for bit in range(8):
                changed = bytearray(SEAL)
                changed[start + position] ^= 1 << bit
                assert codes(verified(bytes(changed))) <= {"bad_signature", "malformed"}, (position, bit)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_changed_byte_of_the_decision_is_refused(data: st.DataObject) -> None:
    changed = bytearray(DECISION)
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))

    assert codes(verified(decision_bytes=bytes(changed))) == {"tampered_decision"}


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_in_place_of_a_seal_are_refused(content: bytes) -> None:
    assert codes(verified(content)) == {"malformed"}


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["payload", "payloadType", "signatures", "sig", "keyid", "x"]), inner)
        ),
    )
)
def test_any_json_in_place_of_a_seal_is_refused(document: Any) -> None:
    assert RefusalCode.MALFORMED.value in codes(verified(json.dumps(document).encode())) | {"malformed"}
    assert not verified(json.dumps(document).encode()).accepted


def test_a_statement_is_read_back_as_it_was_written() -> None:
    statement = parse_statement(parse_envelope(SEAL).payload)

    assert statement.subject_digest == SUBJECT_DIGEST
    assert statement.decision_digest == sha256_of(DECISION)
    assert statement.time_verified == NOW
