"""A seal with the proof that the audit log holds it: one file that a deploy gate verifies offline.

The bundle carries the seal's envelope, the audit entry of its decision, and the hashes that lead from this entry to a
checkpoint that the log's key signed (C2SP tlog-proof). Where a service once said PASS and later denies it, or the other
way round, the log shows it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from quilate.audit.notes import VerifierKey
from quilate.audit.proofs import LogProof, read_document, verify_proof
from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import canonical_json, sha256_of
from quilate.seals.strict_json import strict_object

FORMAT = "quilate-seal-bundle/v1"
DECIDED = "run.decided"
_NEXT_STEP = "get the bundle again: GET /api/v1/projects/{project}/seals"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealBundle:
    """A seal's envelope, byte for byte as it was signed and logged, and its proof if it came with one."""

    envelope: bytes
    proof: LogProof | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedSeal:
    """What a proof shows: the entry's place, and the log with its size when the checkpoint was signed."""

    origin: str
    index: int
    size: int


class _Details(msgspec.Struct):
    seal: str
    verdict: str | None = None


class _DecidedLeaf(msgspec.Struct):
    action: str
    details: _Details


def encode_bundle(envelope: bytes, inclusion: Mapping[str, Any] | None) -> bytes:
    """Return a bundle as canonical JSON.

    Args:
        envelope: The seal.
        inclusion: The proof as ``GET /projects/{project}/seals`` gives it.
    """
    return canonical_json(
        {
            "format": FORMAT,
            "envelope": strict_object(envelope),
            "inclusion": dict(inclusion) if inclusion is not None else None,
        }
    )


def parse_bundle(content: bytes, name: str = "the bundle") -> SealBundle:
    """Return the bundle in a file.

    Raises:
        ConfigurationError: It is none.
    """
    try:
        document = strict_object(content)
        if document.get("format") != FORMAT:
            raise ValueError(f"its format is not {FORMAT}")  # noqa: TRY301 - one kind of error for all that is wrong
        return bundle_of(document)
    except ValueError as error:
        raise ConfigurationError(f"{name} is no bundle of a seal: {error}", next_step=_NEXT_STEP) from error


def bundle_of(document: Mapping[str, Any]) -> SealBundle:
    """Return the bundle of a document that has ``envelope`` and ``inclusion``.

    Raises:
        ValueError: It has no envelope, or its proof is none.
    """
    envelope, inclusion = document.get("envelope"), document.get("inclusion")
    if not isinstance(envelope, dict):
        raise ValueError("it holds no envelope")  # noqa: TRY004 - one kind of error for all that is wrong
    if inclusion is not None and not isinstance(inclusion, dict):
        raise ValueError("its proof is no object")
    proof = read_document(inclusion) if inclusion is not None else None
    # Seals are canonical JSON, so that what was logged can be had again from the parsed envelope.
    return SealBundle(envelope=canonical_json(envelope), proof=proof)


def verify_logged(bundle: SealBundle, log_keys: Sequence[VerifierKey]) -> LoggedSeal:
    """Return where the log holds a seal, once everything about it holds.

    Args:
        bundle: From anybody.
        log_keys: The log's trusted public keys.

    Raises:
        ValueError: What does not hold, as a sentence without a full stop.
    """
    if bundle.proof is None:
        raise ValueError("the seal came without a proof that the audit log holds it")
    signed = verify_proof(bundle.proof, log_keys)
    try:
        entry = msgspec.json.decode(bundle.proof.leaf, type=_DecidedLeaf)
    except msgspec.MsgspecError as error:
        raise ValueError("the entry of the audit log is not about a decision") from error
    if entry.action != DECIDED or entry.details.seal != sha256_of(bundle.envelope):
        raise ValueError("the entry of the audit log is not about this seal")
    return LoggedSeal(origin=signed.checkpoint.origin, index=bundle.proof.index, size=signed.checkpoint.size)
