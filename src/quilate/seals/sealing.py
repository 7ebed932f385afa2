"""Seal a decision: sign, as an in-toto statement in a DSSE envelope, what was decided about what under which policy."""

from datetime import UTC, datetime

import msgspec

from quilate import __version__
from quilate.domain.errors import InternalError
from quilate.domain.ids import Digest
from quilate.domain.subject import Subject
from quilate.domain.verdict import Verdict
from quilate.kit.canonical import sha256_of
from quilate.policy.model import VersionedDocument
from quilate.seals.dsse import PAYLOAD_TYPE, Envelope, Signature
from quilate.seals.keys import SigningKey, local_key
from quilate.seals.statement import FAILED, PASSED, Environment, SealStatement, statement_bytes


class _Decision(msgspec.Struct, frozen=True):
    """What a seal says of a decision; its checks and clauses, which are most of it, are not read."""

    project: str
    verdict: Verdict
    subject: Subject
    blueprint: VersionedDocument
    profile: VersionedDocument
    input_digest: Digest


_DECISION = msgspec.json.Decoder(_Decision)


def seal_decision(
    decision_bytes: bytes,
    *,
    sealed_at: datetime,
    key: SigningKey | None = None,
    environment: Environment = Environment.LOCAL,
) -> bytes:
    """Return the seal of a decision: a DSSE envelope as canonical JSON.

    Everything that it says comes from the decision itself. Only a PASS is sealed as ``PASSED``; FAIL and UNKNOWN are
    both ``FAILED``, and the extension member keeps the verdict.

    Args:
        decision_bytes: The decision as ``quilate.policy.decision.decision_bytes`` gives it.
        sealed_at: The time, with time zone.
        key: What to sign with; this machine's own key by default, made if there is none.
        environment: ``service`` only where the key is the service's guarded key.

    Raises:
        ConfigurationError: This machine's key cannot be made or read.
    """
    key = key or local_key()
    payload = statement_bytes(statement_of(decision_bytes, sealed_at=sealed_at, environment=environment))
    unsigned = Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=())
    signature = Signature(key_id=key.key_id, signature=key.sign(unsigned.signed_bytes()))
    return Envelope(payload_type=PAYLOAD_TYPE, payload=payload, signatures=(signature,)).encode()


def statement_of(decision_bytes: bytes, *, sealed_at: datetime, environment: Environment) -> SealStatement:
    """Return the statement that a decision leads to."""
    try:
        # Our own bytes: they need not be read as strictly as what comes from elsewhere.
        decision = _DECISION.decode(decision_bytes)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InternalError("the decision to be sealed is no decision") from error
    return SealStatement(
        subject_name=decision.subject.name,
        subject_kind=decision.subject.kind.value,
        subject_digest=decision.subject.digest,
        subject_revision=decision.subject.revision,
        project=decision.project,
        verdict=decision.verdict,
        result=PASSED if decision.verdict is Verdict.PASS else FAILED,
        environment=environment,
        blueprint_id=decision.blueprint.id,
        blueprint_version=decision.blueprint.version,
        blueprint_digest=decision.blueprint.digest,
        profile_digest=decision.profile.digest,
        decision_digest=Digest(sha256_of(decision_bytes)),
        input_digest=decision.input_digest,
        verifier_version=__version__,
        time_verified=sealed_at,
    )


def digest_of_subject(decision_bytes: bytes) -> Digest:
    """Return the digest of the subject that a decision is about.

    Raises:
        InternalError: It is no decision.
    """
    moment = datetime.fromtimestamp(0, UTC)
    return statement_of(decision_bytes, sealed_at=moment, environment=Environment.LOCAL).subject_digest
