"""Decisions made by the real policy floor, for tests of what comes after deciding."""

from datetime import date

from quilate.domain.ids import CheckId, CheckType, Digest, StageName
from quilate.domain.severity import Severity
from quilate.domain.subject import Subject, SubjectKind
from quilate.domain.verdict import Completion, Verdict
from quilate.evidence.model import Finding, FindingKind, Location
from quilate.policy.decision import decide, decision_bytes, input_bytes
from quilate.policy.model import DecisionInput, JudgedCheck, PolicyRule, VersionedDocument

SUBJECT_DIGEST = Digest("sha256:" + "5e" * 32)
BLUEPRINT_DIGEST = Digest("sha256:" + "b1" * 32)
PROFILE_DIGEST = Digest("sha256:" + "9f" * 32)


def decision_input(verdict: Verdict = Verdict.PASS) -> DecisionInput:
    """Return an input that leads to the given verdict."""
    completion = Completion.ERROR if verdict is Verdict.UNKNOWN else Completion.COMPLETED
    finding = Finding(
        rule="ruff/S324",  # type: ignore[arg-type]  # a NewType over str
        kind=FindingKind.VULNERABILITY,
        severity=Severity.HIGH,
        message="MD5 is used",
        location=Location(path="a.py", line=1),
        measured="md5",
        limit="none",
        fix="Use SHA-256.",
        fingerprint="f" * 32,
    )
    check = JudgedCheck(
        check_id=CheckId("lint"),
        type=CheckType("CODE_LINT"),
        stage=StageName("code"),
        required=True,
        completion=completion,
        severity_threshold=Severity.MEDIUM,
        findings=(finding,) if verdict is Verdict.FAIL else (),
    )
    return DecisionInput(
        project="credit-risk",
        subject=Subject(
            kind=SubjectKind.COMMIT, name="credit-risk", digest=SUBJECT_DIGEST, revision="9f3c2d1" + "0" * 33
        ),
        blueprint=VersionedDocument(id="ds-batch", version="1.0", digest=BLUEPRINT_DIGEST),
        profile=VersionedDocument(id="shipped", version="1", digest=PROFILE_DIGEST),
        evaluated_on=date(2026, 11, 21),
        checks=(check,),
        policies=(PolicyRule(name="gate", rule="all_required_checks_pass"),),
    )


def decided(verdict: Verdict = Verdict.PASS) -> tuple[bytes, bytes]:
    """Return the bytes of a decision with this verdict and of its input."""
    given = decision_input(verdict)
    decision = decide(given)
    assert decision.verdict is verdict
    return decision_bytes(decision), input_bytes(given)
