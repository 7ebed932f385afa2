"""Judged checks, findings, waivers and decision inputs with everything that a test does not name filled in."""

from datetime import date
from typing import Any

from quilate.domain.ids import CheckId, CheckType, Digest, RuleId, StageName
from quilate.domain.severity import Severity
from quilate.domain.subject import Subject, SubjectKind
from quilate.domain.verdict import Completion
from quilate.evidence.model import Finding, FindingKind, Location, Undecided
from quilate.policy.model import DecisionInput, JudgedCheck, PolicyRule, VersionedDocument, Waiver

TODAY = date(2026, 7, 1)
DOCUMENT_RULE = (
    "all_required_checks_pass and coverage >= 0.8 and "
    'no_vulnerabilities_with_severity_at_or_above("high") and no_crypto_anti_patterns_detected'
)


def finding(rule: str = "ruff/S324", severity: Severity = Severity.HIGH, **fields: Any) -> Finding:
    path = fields.pop("path", "src/app.py")
    line = fields.pop("line", 3)
    given = {
        "kind": FindingKind.VULNERABILITY,
        "message": f"{rule} is broken",
        "measured": "md5",
        "limit": "sha256",
        "fix": f"mend {rule}",
        "location": Location(path=path, line=line),
        "fingerprint": f"{rule}@{path}:{line}",
    }
    return Finding(rule=RuleId(rule), severity=severity, **{**given, **fields})


def judged_check(check_id: str = "sast", **fields: Any) -> JudgedCheck:
    given: dict[str, Any] = {
        "type": CheckType("SAST"),
        "stage": StageName("build"),
        "required": True,
        "completion": Completion.COMPLETED,
        "severity_threshold": Severity.MEDIUM,
    }
    return JudgedCheck(check_id=CheckId(check_id), **{**given, **fields})


def open_question(subject: str = "src/broken.py", next_step: str = "mend the file") -> Undecided:
    return Undecided(subject=subject, reason="it cannot be parsed", next_step=next_step)


def waiver(waiver_id: str = "W-1", rule: str = "ruff/S324", **fields: Any) -> Waiver:
    given: dict[str, Any] = {
        "reason": "a checksum, no signature",
        "until": date(2026, 12, 31),
        "owner": "ana",
        "source": "quilate.yaml:9",
    }
    return Waiver(id=waiver_id, rule=rule, **{**given, **fields})


def policy(rule: str, **fields: Any) -> PolicyRule:
    return PolicyRule(**{"name": "approval", "rule": rule, "line": 52, **fields})


def decision_input(*checks: JudgedCheck, **fields: Any) -> DecisionInput:
    given: dict[str, Any] = {
        "project": "credit-risk",
        "subject": Subject(kind=SubjectKind.COMMIT, name="credit-risk", digest=Digest("sha256:aa"), revision="9f3c2d1"),
        "blueprint": VersionedDocument(id="ds-ia-crypto", version="1", digest=Digest("sha256:bb")),
        "profile": VersionedDocument(id="standard", version="1", digest=Digest("sha256:cc")),
        "evaluated_on": TODAY,
        "policies": (),
    }
    return DecisionInput(checks=checks, **{**given, **fields})
