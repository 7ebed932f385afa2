"""The signed statement: in-toto Statement v1 with a SLSA Verification Summary Attestation (VSA) v1.

Source: in-toto Attestation Framework v1, SLSA 1.1 "Verification Summary Attestation". A VSA knows PASSED and FAILED
only; UNKNOWN is sealed as FAILED, and the extension member says what it was. No SLSA build level is ever claimed,
since the provenance of the subject's build is not looked at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from urllib.parse import quote

from quilate.domain.ids import Digest
from quilate.domain.verdict import Verdict
from quilate.kit.canonical import canonical_json
from quilate.seals.strict_json import strict_object

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://slsa.dev/verification_summary/v1"
EXTENSION = "quilate:seal/v1"
"""Our member of the predicate; VSA extensions are named by a URI."""

PASSED = "PASSED"
FAILED = "FAILED"
_PASSED_LEVEL = "QUILATE_GATE"
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_HEXADECIMAL = re.compile(r"[0-9a-f]{64}")


class Environment(StrEnum):
    """Where a seal was made: ``local`` on somebody's own machine, ``service`` by the service's guarded key."""

    LOCAL = "local"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class SealStatement:
    """What a seal says, in our own words. ``time_verified`` is in UTC."""

    subject_name: str
    subject_kind: str
    subject_digest: Digest
    subject_revision: str
    project: str
    verdict: Verdict
    result: str
    environment: Environment
    blueprint_id: str
    blueprint_version: str
    blueprint_digest: Digest
    profile_digest: Digest
    decision_digest: Digest
    input_digest: Digest
    verifier_version: str
    time_verified: datetime


def statement_bytes(statement: SealStatement) -> bytes:
    """Return the statement as canonical JSON: the payload that is signed."""
    blueprint = f"{quote(statement.blueprint_id, safe='')}@{quote(statement.blueprint_version, safe='')}"
    passed = statement.result == PASSED
    predicate = {
        "verifier": {
            "id": f"quilate:verifier/{statement.environment.value}",
            "version": {"quilate": statement.verifier_version},
        },
        "timeVerified": statement.time_verified.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "resourceUri": f"quilate:project/{quote(statement.project, safe='')}",
        "policy": {"uri": f"quilate:blueprint/{blueprint}", "digest": _digest_set(statement.blueprint_digest)},
        "inputAttestations": [
            {"uri": "quilate:decision", "digest": _digest_set(statement.decision_digest)},
            {"uri": "quilate:decision-input", "digest": _digest_set(statement.input_digest)},
        ],
        "verificationResult": statement.result,
        "verifiedLevels": [_PASSED_LEVEL if passed else FAILED],
        EXTENSION: {
            "verdict": statement.verdict.value,
            "environment": statement.environment.value,
            "project": statement.project,
            "subject": {"kind": statement.subject_kind, "revision": statement.subject_revision},
            "blueprint": {
                "id": statement.blueprint_id,
                "version": statement.blueprint_version,
                "digest": statement.blueprint_digest,
            },
            "profileDigest": statement.profile_digest,
            "decisionDigest": statement.decision_digest,
            "inputDigest": statement.input_digest,
        },
    }
    subject = {"name": statement.subject_name, "digest": _digest_set(statement.subject_digest)}
    return canonical_json(
        {"_type": STATEMENT_TYPE, "subject": [subject], "predicateType": PREDICATE_TYPE, "predicate": predicate}
    )


def parse_statement(payload: bytes) -> SealStatement:
    """Return what a statement says. Unknown members are ignored, as in-toto demands.

    Raises:
        ValueError: It is no seal of ours, or contradicts itself.
    """
    document = strict_object(payload)
    if document.get("_type") != STATEMENT_TYPE or document.get("predicateType") != PREDICATE_TYPE:
        raise ValueError("it is no verification summary in an in-toto v1 statement")
    subjects = document.get("subject")
    if not isinstance(subjects, list) or len(subjects) != 1 or not isinstance(subjects[0], dict):
        raise ValueError("it does not have exactly one subject")
    predicate = _object(document, "predicate")
    extension = _object(predicate, EXTENSION)
    verdict, environment = _text(extension, "verdict"), _text(extension, "environment")
    if verdict not in set(Verdict) or environment not in set(Environment):
        raise ValueError("its verdict or environment is none that exists")
    blueprint = _object(extension, "blueprint")
    statement = SealStatement(
        subject_name=_text(subjects[0], "name"),
        subject_kind=_text(_object(extension, "subject"), "kind"),
        subject_digest=_from_set(_object(subjects[0], "digest")),
        subject_revision=_text(_object(extension, "subject"), "revision"),
        project=_text(extension, "project"),
        verdict=Verdict(verdict),
        result=_text(predicate, "verificationResult"),
        environment=Environment(environment),
        blueprint_id=_text(blueprint, "id"),
        blueprint_version=_text(blueprint, "version"),
        blueprint_digest=_digest(blueprint, "digest"),
        profile_digest=_digest(extension, "profileDigest"),
        decision_digest=_digest(extension, "decisionDigest"),
        input_digest=_digest(extension, "inputDigest"),
        verifier_version=_text(_object(_object(predicate, "verifier"), "version"), "quilate"),
        time_verified=_time(_text(predicate, "timeVerified")),
    )
    _require_consistent(statement, predicate)
    return statement


def _require_consistent(statement: SealStatement, predicate: Mapping[str, Any]) -> None:
    """Refuse a statement whose standard part says another thing than our own: a reader of either sees the same."""
    if (statement.result == PASSED) is not (statement.verdict is Verdict.PASS) or statement.result not in {
        PASSED,
        FAILED,
    }:
        raise ValueError("its result does not agree with its verdict")
    if _from_set(_object(_object(predicate, "policy"), "digest")) != statement.blueprint_digest:
        raise ValueError("its policy does not agree with its blueprint")
    if _text(_object(predicate, "verifier"), "id") != f"quilate:verifier/{statement.environment.value}":
        raise ValueError("its verifier does not agree with its environment")


def _digest_set(digest: str) -> dict[str, str]:
    return {"sha256": digest.removeprefix("sha256:")}


def _from_set(digests: Mapping[str, Any]) -> Digest:
    value = _text(digests, "sha256")
    if not _HEXADECIMAL.fullmatch(value):
        raise ValueError("it holds a digest that is none")
    return Digest(f"sha256:{value}")


def _digest(parent: Mapping[str, Any], name: str) -> Digest:
    value = _text(parent, name)
    if not _DIGEST.fullmatch(value):
        raise ValueError(f"{name} is no digest")
    return Digest(value)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("timeVerified has no time zone")
    return moment.astimezone(UTC)


def _object(parent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = parent.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is missing or no object")  # noqa: TRY004 - one kind of error for all that is wrong
    return value


def _text(parent: Mapping[str, Any], name: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing or no text")  # noqa: TRY004 - as above
    return value
