"""A seal's bundle: envelope and proof that the audit log holds it, verified offline (C10, D09)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quilate.audit.entries import AuditEntry
from quilate.audit.service import AuditService
from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import canonical_json, sha256_of
from quilate.kit.database.database import Database
from quilate.seals.keys import SigningKey
from quilate.seals.log_proof import SealBundle, encode_bundle, parse_bundle, verify_logged
from quilate.seals.sealing import seal_decision
from tests.support.audit_log import Log, entries, new_signer
from tests.support.decisions import decided

DECISION, _INPUT = decided()
KEY = SigningKey(key_id="sha256:" + "0" * 64, private_key=Ed25519PrivateKey.from_private_bytes(b"k" * 32))
SEAL = seal_decision(DECISION, sealed_at=datetime(2026, 11, 21, tzinfo=UTC), key=KEY)


@pytest.fixture
def log(database: Database, tmp_path: Path) -> Log:
    return Log(database, tmp_path)


async def logged(log: Log, digest: str = sha256_of(SEAL), action: str = "run.decided") -> bytes:
    """Return the bundle of a run whose decision the log holds."""
    run, project = uuid4(), uuid4()
    details = {"verdict": "PASS", "seal": digest}
    decision = AuditEntry(
        action=action, actor="system:quilate", subject=f"run:{run}", project_id=project, details=details
    )
    await log.append([*entries(20), decision, *entries(20)])
    service = AuditService(log.database)
    assert await service.proof_of_run(project, run) is None, "not before the sequencer has been there"
    await log.sequence()
    assert await service.proof_of_run(uuid4(), run) is None, "not for another project"
    return encode_bundle(SEAL, await service.proof_of_run(project, run))


@pytest.mark.asyncio
async def test_a_logged_seal_is_proved_offline(log: Log) -> None:
    bundle = parse_bundle(await logged(log))

    found = verify_logged(bundle, await log.keys())
    assert bundle.envelope == SEAL
    assert (found.origin, found.index, found.size) == (log.head().origin, 21, 42)


@pytest.mark.asyncio
async def test_what_is_not_proved_is_refused(log: Log) -> None:
    bundle, keys = parse_bundle(await logged(log)), await log.keys()
    assert bundle.proof is not None
    proof = bundle.proof
    other = seal_decision(DECISION, sealed_at=datetime(2026, 11, 20, tzinfo=UTC), key=KEY)
    stranger = new_signer(log.head().origin).verifier

    for changed, trusted, reason in (
        (replace(bundle, proof=None), keys, "without a proof"),
        (SealBundle(envelope=other, proof=proof), keys, "not about this seal"),
        (bundle, (stranger,), "no trusted key"),
        (bundle, (), "no trusted key"),
        (replace(bundle, proof=replace(proof, index=proof.index + 1)), keys, "not in the log"),
        (replace(bundle, proof=replace(proof, hashes=proof.hashes[1:])), keys, "not in the log"),
        (replace(bundle, proof=replace(proof, leaf=proof.leaf + b" ")), keys, "not in the log"),
        (replace(bundle, proof=replace(proof, checkpoint="no note")), keys, "signatures"),
    ):
        with pytest.raises(ValueError, match=reason):
            verify_logged(changed, trusted)


@pytest.mark.asyncio
async def test_an_entry_about_another_seal_proves_nothing(log: Log) -> None:
    bundle = parse_bundle(await logged(log, digest=sha256_of(b"another")))

    with pytest.raises(ValueError, match="not about this seal"):
        verify_logged(bundle, await log.keys())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"format":"quilate-seal-bundle/v1"}',
        b'{"format":"quilate-seal-bundle/v1","envelope":[]}',
        b'{"format":"quilate-seal-bundle/v1","envelope":{},"inclusion":[]}',
        b'{"format":"quilate-seal-bundle/v1","envelope":{},"inclusion":{"leaf":"AA==","proof":1}}',
        b'{"format":"quilate-seal-bundle/v1","envelope":{},"inclusion":{"leaf":"AA","proof":"x"}}',
        canonical_json(
            {
                "format": "quilate-seal-bundle/v1",
                "envelope": {},
                "inclusion": {"leaf": "AA==", "proof": "c2sp.org/tlog-proof@v1\nindex -1\n\nx"},
            }
        ),
        b'{"format":"quilate-seal-bundle/v1","envelope":{"a":1,"a":2}}',
    ],
)
def test_what_is_no_bundle_is_refused(content: bytes) -> None:
    with pytest.raises(ConfigurationError, match="no bundle of a seal"):
        parse_bundle(content)


def test_a_seal_without_a_proof_is_a_bundle_too() -> None:
    bundle = parse_bundle(encode_bundle(SEAL, None))

    assert (bundle.envelope, bundle.proof) == (SEAL, None)
    assert json.loads(encode_bundle(SEAL, None))["format"] == "quilate-seal-bundle/v1"
