"""Accept or refuse from a seal alone: every reason for a refusal is found and named, not only the first."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from quilate.domain.errors import InternalError
from quilate.domain.ids import Digest
from quilate.domain.verdict import Verdict
from quilate.kit.canonical import sha256_of
from quilate.seals.dsse import PAYLOAD_TYPE, Envelope, Signature, parse_envelope
from quilate.seals.keys import VerificationKey
from quilate.seals.sealing import statement_of
from quilate.seals.statement import PASSED, Environment, SealStatement, parse_statement

CLOCK_SKEW = timedelta(minutes=5)
"""How far ahead of this machine's clock a seal may be."""


class RefusalCode(StrEnum):
    """Why a seal is refused; part of the output of ``quilate verify --json``."""

    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    NOT_PASSED = "not_passed"
    WRONG_SUBJECT = "wrong_subject"
    WRONG_POLICY = "wrong_policy"
    WRONG_PROFILE = "wrong_profile"
    LOCAL_NOT_ALLOWED = "local_not_allowed"
    TAMPERED_DECISION = "tampered_decision"
    NOT_REPLAYABLE = "not_replayable"
    IN_THE_FUTURE = "in_the_future"
    EXPIRED = "expired"
    NOT_LOGGED = "not_logged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """One reason for a refusal, a sentence without a full stop, and what can be done about it."""

    code: RefusalCode
    message: str
    next_step: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectations:
    """What a seal must say to be accepted.

    Attributes:
        policy_digest: The blueprint's digest.
        subject_digest: The digest of what is at hand.
        profile_digest: The profile's digest; any where it is ``None``.
        allow_local: Accept a seal that was made on a laptop.
        max_age: Refuse an older seal.
    """

    policy_digest: str
    subject_digest: str
    profile_digest: str | None = None
    allow_local: bool = False
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationResult:
    """The answer. ``statement`` is what was signed, ``None`` unless a trusted key signed it."""

    refusals: tuple[Refusal, ...]
    statement: SealStatement | None = None
    key_id: str = ""
    checked: tuple[str, ...] = field(default=())

    @property
    def accepted(self) -> bool:
        """No reason against it."""
        return not self.refusals and self.statement is not None


def verify_seal(
    envelope: bytes,
    *,
    trusted_keys: Sequence[VerificationKey],
    expected: Expectations,
    decision_bytes: bytes | None = None,
    now: datetime | None = None,
) -> VerificationResult:
    """Return whether a seal is accepted.

    Args:
        envelope: The DSSE envelope, from anybody.
        trusted_keys: The keys that are believed.
        expected: What it must say.
        decision_bytes: The decision beside it, where there is one: it must be the one that was sealed.
        now: The time with time zone; the machine's by default.
    """
    try:
        parsed = parse_envelope(envelope)
    except ValueError as error:
        return _refused(RefusalCode.MALFORMED, f"the seal is no valid envelope: {error}", "get the seal again")
    key = _verified_by(parsed, trusted_keys)
    if isinstance(key, Refusal):
        return VerificationResult(refusals=(key,))
    if parsed.payload_type != PAYLOAD_TYPE:
        return _refused(RefusalCode.MALFORMED, "the seal's payload is of another type", "get the seal again")
    try:
        statement = parse_statement(parsed.payload)
    except ValueError as error:
        return _refused(RefusalCode.MALFORMED, f"the signed statement is no seal: {error}", "seal again")
    refusals = [
        *_about_statement(statement, key, expected),
        *_about_time(statement, expected, now or datetime.now(UTC)),
        *_about_decision(statement, decision_bytes),
    ]
    checked = ["signature", "subject", "policy", "verdict", "environment", "time"]
    checked += ["profile"] if expected.profile_digest is not None else []
    checked += ["decision"] if decision_bytes is not None else []
    return VerificationResult(refusals=tuple(refusals), statement=statement, key_id=key.key_id, checked=tuple(checked))


def _refused(code: RefusalCode, message: str, next_step: str) -> VerificationResult:
    return VerificationResult(refusals=(Refusal(code=code, message=message, next_step=next_step),))


def _verified_by(envelope: Envelope, trusted: Sequence[VerificationKey]) -> VerificationKey | Refusal:
    """Return the trusted key that signed; the key id in the envelope only says which to try."""
    tried = False
    for signature in envelope.signatures:
        for key in trusted:
            if signature.key_id and signature.key_id != key.key_id:
                continue
            tried = True
            if _signed_by(key, signature, envelope):
                return key
    if tried:
        return Refusal(
            code=RefusalCode.BAD_SIGNATURE,
            message="the signature does not fit: the seal was changed after it was signed",
            next_step="get the seal again from where it was made",
        )
    named = ", ".join(signature.key_id[:80] or "none" for signature in envelope.signatures[:3])
    return Refusal(
        code=RefusalCode.UNKNOWN_KEY,
        message=f"the seal was signed by a key that is not trusted here ({named!r})",
        next_step="give the signer's public key with --key",
    )


def _signed_by(key: VerificationKey, signature: Signature, envelope: Envelope) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - heavy, and only seals need it

    try:
        key.public_key.verify(signature.signature, envelope.signed_bytes())
    except InvalidSignature:
        return False
    return True


def _about_statement(statement: SealStatement, key: VerificationKey, expected: Expectations) -> Iterator[Refusal]:
    if statement.verdict is not Verdict.PASS or statement.result != PASSED:
        yield Refusal(
            code=RefusalCode.NOT_PASSED,
            message=f"the verdict is {statement.verdict.value}, only PASS lets anything through",
            next_step="see why: quilate explain",
        )
    if statement.subject_digest != expected.subject_digest:
        yield Refusal(
            code=RefusalCode.WRONG_SUBJECT,
            message=f"the seal is about {statement.subject_digest}, at hand is {expected.subject_digest}",
            next_step="judge what is at hand: quilate run",
        )
    if statement.blueprint_digest != expected.policy_digest:
        yield Refusal(
            code=RefusalCode.WRONG_POLICY,
            message=f"it was judged under {statement.blueprint_digest}, expected is {expected.policy_digest}",
            next_step="judge it under the expected blueprint: quilate run",
        )
    if expected.profile_digest is not None and statement.profile_digest != expected.profile_digest:
        yield Refusal(
            code=RefusalCode.WRONG_PROFILE,
            message=f"its profile is {statement.profile_digest}, expected is {expected.profile_digest}",
            next_step="judge it with the expected profile: quilate run",
        )
    if (key.local or statement.environment is not Environment.SERVICE) and not expected.allow_local:
        yield Refusal(
            code=RefusalCode.LOCAL_NOT_ALLOWED,
            message="the seal was made on a laptop, not by the service",
            next_step="let the service judge it, or allow such seals by name with --allow-local",
        )


def _about_time(statement: SealStatement, expected: Expectations, now: datetime) -> Iterator[Refusal]:
    if statement.time_verified > now + CLOCK_SKEW:
        yield Refusal(
            code=RefusalCode.IN_THE_FUTURE,
            message=f"the seal is dated {statement.time_verified.isoformat()}, which is yet to come",
            next_step="set the clocks right and seal again",
        )
    if expected.max_age is not None and now - statement.time_verified > expected.max_age:
        yield Refusal(
            code=RefusalCode.EXPIRED,
            message=f"the seal of {statement.time_verified.isoformat()} is older than {expected.max_age}",
            next_step="judge it again: quilate run",
        )


def _about_decision(statement: SealStatement, decision_bytes: bytes | None) -> Iterator[Refusal]:
    if decision_bytes is None:
        return
    if sha256_of(decision_bytes) != statement.decision_digest or not _says_the_same(statement, decision_bytes):
        yield Refusal(
            code=RefusalCode.TAMPERED_DECISION,
            message="the decision is not the one that was sealed",
            next_step="get decision and seal again from where they were made",
        )


def _says_the_same(statement: SealStatement, decision_bytes: bytes) -> bool:
    """Tell whether a decision leads to this very statement; a signer may have said something else than it decided."""
    try:
        told = statement_of(decision_bytes, sealed_at=statement.time_verified, environment=statement.environment)
    except InternalError:
        return False
    return _identity(told) == _identity(statement)


def _identity(statement: SealStatement) -> tuple[str | Digest, ...]:
    return (
        statement.subject_digest,
        statement.subject_name,
        statement.subject_kind,
        statement.subject_revision,
        statement.project,
        statement.verdict.value,
        statement.blueprint_id,
        statement.blueprint_version,
        statement.blueprint_digest,
        statement.profile_digest,
        statement.input_digest,
    )
