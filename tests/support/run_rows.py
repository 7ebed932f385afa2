"""Rows of runs as the engine leaves them, for tests of what shows them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from quilate.accounts.model import Actor, ActorKind, ProjectReference
from quilate.domain.ids import CheckId, CheckType, Digest, RuleId, StageName
from quilate.domain.severity import Severity
from quilate.domain.subject import Subject, SubjectKind
from quilate.domain.verdict import CheckResult, Completion
from quilate.evidence.model import Evidence, Finding, FindingKind, Location
from quilate.kit.canonical import sha256_of
from quilate.kit.database.database import Database
from quilate.kit.ids import uuid7
from quilate.policy.decision import decide, decision_bytes, input_bytes
from quilate.policy.model import DecisionInput, JudgedCheck, PolicyRule, VersionedDocument
from quilate.runs.durable.intake import insert_runs
from quilate.runs.durable.model import Submission
from quilate.runs.durable.plan_request import OutlinedCheck, PlanText
from quilate.runs.durable.preparation import PreparationDocument
from quilate.runs.judging import encoded_evidence
from quilate.runs.workspaces.model import Source, SourceKind
from quilate.seals.keys import SigningKey
from quilate.seals.sealing import seal_decision

ACTOR = Actor(kind=ActorKind.USER, id="1")
KEY = SigningKey(key_id=sha256_of(b"key"), private_key=Ed25519PrivateKey.from_private_bytes(b"key".ljust(32)))
GIT = Source(kind=SourceKind.GIT, location="https://git.example/a.git", branch="main")
DOCUMENT = VersionedDocument(id="by-hand", version="1", digest=Digest("sha256:" + "0" * 64))


async def add_project(database: Database, slug: str, repository: str = "") -> ProjectReference:
    """Insert a project."""
    project = ProjectReference(id=uuid7(), slug=slug, name=slug)
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO projects (id, slug, name, repository_url) VALUES (%s, %s, %s, %s)",
            (project.id, slug, slug, repository or None),
        )
    return project


async def submitted_run(
    database: Database, project: ProjectReference, source: Source = GIT, event: str = "manual"
) -> UUID:
    """Submit a run by the engine's own function."""
    submission = Submission(project_id=project.id, project=project.slug, source=source, actor=ACTOR, event=event)
    async with database.transaction() as connection:
        return (await insert_runs(connection, [submission]))[0].run_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An attempt to be recorded."""

    check: str
    result: CheckResult
    evidence: Evidence | None = None
    attempt: int = 1
    version: int = 2
    final: bool = True
    artifact_digest: str = ""


def finding(rule: str, severity: Severity = Severity.HIGH, line: int = 1) -> Finding:
    """Return a finding in ``module.py``."""
    return Finding(
        rule=RuleId(rule),
        kind=FindingKind.CODE,
        severity=severity,
        message=f"{rule} is wrong",
        location=Location(path="module.py", line=line),
        measured="1",
        limit="0",
        fix="Mend it.",
        fingerprint=f"{rule}:{line}",
    )


def outlined(*names: str, stage: str = "build") -> tuple[OutlinedCheck, ...]:
    """Return planned checks of one stage."""
    return tuple(OutlinedCheck(id=name, type="COMMAND", stage=stage, required=True, queue="code") for name in names)


async def plan_run(  # noqa: PLR0913 - what a test may choose
    database: Database,
    project: ProjectReference,
    run: UUID,
    checks: Sequence[OutlinedCheck],
    *,
    subject: str = "sha256:" + "a" * 64,
    branch: str = "main",
    only: tuple[str, ...] = (),
) -> None:
    """Give a run a plan and a subject, its checks waiting."""
    text = msgspec.json.encode(PlanText(blueprint="by-hand", checks=tuple(checks), only=only))
    preparation = PreparationDocument(
        source=GIT,
        subject=_subject(project, subject, branch),
        waivers=(),
        baseline=None,
        evaluated_on=date(2026, 11, 21),
        notes=("a note",),
    )
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO run_plans (digest, document) VALUES (%s, %s) ON CONFLICT DO NOTHING", (sha256_of(text), text)
        )
        await connection.execute(
            "INSERT INTO run_preparations (run_id, project_id, subject_kind, subject_name, subject_digest, revision,"
            " branch, document) VALUES (%s, %s, 'commit', %s, %s, 'c0ffee', %s, %s)",
            (run, project.id, project.slug, subject, branch, msgspec.json.encode(preparation)),
        )
        await connection.execute(
            "UPDATE runs SET status = 'running', step = 'checks', version = 1, started_at = now(), plan_digest = %s"
            " WHERE id = %s",
            (sha256_of(text), run),
        )


async def start_check(database: Database, project: ProjectReference, run: UUID, check: str, attempt: int = 1) -> None:
    """Let a check run."""
    async with database.connection() as connection:
        await connection.execute(
            "INSERT INTO check_runs (run_id, check_id, project_id, queue, status, priority, attempt, started_at)"
            " VALUES (%s, %s, %s, 'code', 'running', 0, %s, now())",
            (run, check, project.id, attempt),
        )


async def end_check(database: Database, project: ProjectReference, run: UUID, ended: Ended) -> None:
    """Record an attempt with its findings and the run's next version."""
    content = None if ended.evidence is None else encoded_evidence(ended.evidence)
    digest = ended.artifact_digest or (sha256_of(content) if content is not None else None)
    completion = Completion.COMPLETED if ended.evidence else Completion(ended.result.value)
    async with database.transaction() as connection:
        await connection.execute("DELETE FROM check_runs WHERE run_id = %s AND check_id = %s", (run, ended.check))
        await connection.execute(
            "INSERT INTO check_attempts (run_id, check_id, attempt, project_id, run_version, completion, result,"
            " duration_ms, final, evidence_digest, evidence) VALUES (%s, %s, %s, %s, %s, %s, %s, 1500, %s, %s, %s)",
            (
                run,
                ended.check,
                ended.attempt,
                project.id,
                ended.version,
                completion,
                ended.result,
                ended.final,
                digest,
                None if ended.artifact_digest else content,
            ),
        )
        for place, found in enumerate(ended.evidence.findings if ended.evidence else ()):
            await connection.execute(
                "INSERT INTO findings (run_id, project_id, check_id, attempt, place, fingerprint, rule, severity,"
                " message, path, line) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    run,
                    project.id,
                    ended.check,
                    ended.attempt,
                    place,
                    found.fingerprint,
                    found.rule,
                    found.severity,
                    found.message,
                    found.location.path,
                    found.location.line,
                ),
            )
        await connection.execute("UPDATE runs SET version = %s WHERE id = %s", (ended.version, run))


async def decide_by_hand(  # noqa: PLR0913 - what a test may choose
    database: Database,
    project: ProjectReference,
    run: UUID,
    checks: Sequence[Ended],
    *,
    subject: str = "sha256:" + "a" * 64,
    branch: str = "main",
) -> str:
    """Decide and seal a run as the engine does; return the verdict."""
    judged = tuple(
        JudgedCheck(
            check_id=CheckId(each.check),
            type=CheckType("COMMAND"),
            stage=StageName("build"),
            required=True,
            completion=Completion.COMPLETED if each.evidence else Completion(each.result.value),
            severity_threshold=Severity.LOW,
            findings=each.evidence.findings if each.evidence else (),
            facts=each.evidence.facts if each.evidence else (),
        )
        for each in checks
    )
    given = DecisionInput(
        project=project.slug,
        subject=_subject(project, subject, branch),
        blueprint=DOCUMENT,
        profile=DOCUMENT,
        evaluated_on=date(2026, 11, 21),
        checks=judged,
        policies=(PolicyRule(name="approval", rule="all_required_checks_pass", line=3),),
    )
    decision = decide(given)
    content, entered = decision_bytes(decision), input_bytes(given)
    seal = seal_decision(content, sealed_at=datetime.now(UTC), key=KEY)
    failing = [[each.check, str(found.rule)] for each in checks if each.evidence for found in each.evidence.findings]
    async with database.transaction() as connection:
        await connection.execute(
            "INSERT INTO decisions (run_id, project_id, verdict, subject_digest, blueprint_id, blueprint_digest,"
            " decision_digest, input_digest, seal_digest, decision, input, seal, failing)"
            " VALUES (%s, %s, %s, %s, 'by-hand', %s, %s, %s, %s, %s, %s, %s, %s::jsonb)",
            (
                run,
                project.id,
                decision.verdict,
                subject,
                DOCUMENT.digest,
                sha256_of(content),
                sha256_of(entered),
                sha256_of(seal),
                content,
                entered,
                seal,
                msgspec.json.encode(failing).decode(),
            ),
        )
        await connection.execute(
            "UPDATE runs SET status = %s, step = NULL, verdict = %s, version = version + 1, ended_at = now()"
            " WHERE id = %s",
            ("succeeded" if decision.verdict.value == "PASS" else "failed", decision.verdict, run),
        )
    return decision.verdict.value


def _subject(project: ProjectReference, digest: str, branch: str) -> Subject:
    return Subject(kind=SubjectKind.COMMIT, name=project.slug, digest=Digest(digest), revision="c0ffee", branch=branch)
