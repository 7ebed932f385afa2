"""What is submitted to the durable runner and what it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

from quilate.accounts.model import Actor
from quilate.domain.verdict import RunStatus
from quilate.runs.triggers.model import Trigger
from quilate.runs.workspaces.model import Source

LOWEST_PRIORITY, HIGHEST_PRIORITY = -100, 100


class Step(StrEnum):
    """What a run waits for."""

    PLAN = "plan"
    CHECKS = "checks"
    DECIDE = "decide"


@dataclass(frozen=True, slots=True, kw_only=True)
class Idempotency:
    """Names one submission for good: the second one of the same source and id is the first one."""

    source: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One run that somebody asks for.

    Attributes:
        project_id: Whose run it is.
        project: The project's slug.
        source: Where the files that are judged come from.
        actor: Who asks.
        event: Why: ``manual``, ``schedule``, ``push``, ``manual_trigger``, …
        parameters: The caller's own words, kept with the run and shown; nothing decides by them.
        blueprint: ``name`` or ``name@version`` of a published or built-in blueprint; empty for the project file's.
        project_file: Text of a ``quilate.yaml`` for a source that holds none; empty to read the source's own.
        only: Ids of the only checks to run: a partial run, without verdict and seal.
        from_stage: Stage to begin at: a partial run.
        priority: -100 to 100; higher runs go first within their project.
        concurrency_key: Runs of one project and key never run at once.
        supersede: An older run of the same key is cancelled instead of waited for.
        idempotency: Names the submission for good, if its sender gave it a name.
        asked: Digest of the request as it was asked, by which a repeated one is known; empty for the submission's own.
            What it was resolved to (the newest version, the project's repository) may have changed meanwhile.
        rerun_of: The run whose passed checks need not run again.
        use_cache: Answer from the result cache where nothing changed.
        trigger: What a verified event said; with a pull request the protected branch's project file and blueprint bind.
        governed: As with a pull request, for callers that judge one without an event.
        without_secrets: The checks get no secrets: the change comes from a fork.
        traceparent: W3C trace context of the request.
    """

    project_id: UUID
    project: str
    source: Source
    actor: Actor
    event: str = "manual"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    blueprint: str = ""
    project_file: str = ""
    only: tuple[str, ...] = ()
    from_stage: str = ""
    priority: int = 0
    concurrency_key: str = ""
    supersede: bool = False
    idempotency: Idempotency | None = None
    asked: str = ""
    rerun_of: UUID | None = None
    use_cache: bool = True
    trigger: Trigger | None = None
    governed: bool = False
    without_secrets: bool = False
    traceparent: str = ""


class Refusal(StrEnum):
    """Why a submission was not taken."""

    QUEUE_FULL = "queue-full"
    IDEMPOTENCY_MISMATCH = "idempotency-mismatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What became of a submission: a run (``created`` is false where it was there already), or why there is none."""

    run_id: UUID
    status: RunStatus = RunStatus.QUEUED
    created: bool = True
    refusal: Refusal | None = None
