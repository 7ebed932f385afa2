"""Runs on the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.domain.verdict import CheckResult, Completion, RunStatus, Verdict
from quilate.runs.api.model import CheckState
from quilate.runs.durable.model import HIGHEST_PRIORITY, LOWEST_PRIORITY

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"
EVENT_PATTERN = r"^[a-z][a-z0-9_.-]{0,63}$"
_NO_NUL = r"^[^\x00]*$"


def text(longest: int) -> Any:
    """Return the constraints of a text that a database takes."""
    return StringConstraints(max_length=longest, pattern=_NO_NUL)


Name = Annotated[str, text(128)]
Digest = Annotated[str, StringConstraints(pattern=DIGEST_PATTERN)]


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GitSource(_Wire):
    """A commit of a git repository."""

    kind: Literal["git"]
    repository: Annotated[str, text(2048)] = Field(
        default="", description="Address of the repository; empty for the project's own."
    )
    revision: Annotated[str, text(256)] = Field(default="", description="Commit, tag or branch; empty for `branch`.")
    branch: Annotated[str, text(256)] = Field(default="", description="Branch that the run is about.")
    subdirectory: Annotated[str, text(1024)] = Field(default="", description="Folder that the run begins in.")


class ArchiveSource(_Wire):
    """An archive that was uploaded before, named by its digest."""

    kind: Literal["archive"]
    digest: Digest = Field(description="Digest that the upload answered with.")
    branch: Annotated[str, text(256)] = Field(default="", description="Branch that the run is about.")
    subdirectory: Annotated[str, text(1024)] = Field(default="", description="Folder that the run begins in.")


class DatasetSource(_Wire):
    """A version of a dataset in the project's catalogue."""

    kind: Literal["dataset"]
    name: Name = Field(min_length=1, description="The dataset's name.")
    version: Annotated[str, text(64)] = Field(default="", description="Number of the version; empty for the newest.")


class ModelSource(_Wire):
    """A version of a model in the project's catalogue."""

    kind: Literal["model"]
    name: Name = Field(min_length=1, description="The model's name.")
    version: Annotated[str, text(64)] = Field(default="", description="Number of the version; empty for the newest.")


class NoSource(_Wire):
    """No files: endpoints and keys only, bound by `project_file`."""

    kind: Literal["none"]


SourceBody = Annotated[GitSource | ArchiveSource | DatasetSource | ModelSource | NoSource, Field(discriminator="kind")]


class RunRequest(_Wire):
    """A run that somebody asks for."""

    source: SourceBody = Field(
        default_factory=lambda: GitSource(kind="git"),
        description="Where the judged files come from; by default the project's own repository.",
    )
    event: Annotated[str, StringConstraints(pattern=EVENT_PATTERN)] = Field(
        default="manual", description="Why it is asked for, for example `manual`, `push`, `deploy`."
    )
    parameters: dict[Annotated[str, text(256)], Any] = Field(
        default_factory=dict,
        max_length=256,
        description="The caller's own words, kept and shown; nothing decides by them.",
    )
    blueprint: Annotated[str, text(256)] = Field(
        default="", description="`name` or `name@version`, published or built in; empty for the project file's."
    )
    project_file: Annotated[str, text(256 * 1024)] = Field(
        default="", description="Text of a `quilate.yaml` for a source that holds none."
    )
    only: list[Name] = Field(default_factory=list, max_length=256, description="Only these checks: a partial run.")
    from_stage: Name = Field(default="", description="Begin at this stage: a partial run.")
    priority: int = Field(
        default=0, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY, description="Higher runs go first within their project."
    )
    concurrency_key: Annotated[str, text(256)] = Field(
        default="", description="Runs of one project and key never run at once."
    )
    supersede: bool = Field(default=False, description="Cancel an older run of the same key instead of waiting for it.")
    use_cache: bool = Field(default=True, description="Answer from the result cache where nothing changed.")
    governed: bool = Field(
        default=False,
        description="A change that wants to be merged: the protected branch's project file and blueprint bind.",
    )


class RerunRequest(_Wire):
    """How a run is repeated."""

    failed_only: bool = Field(
        default=False, description="What passed at its first attempt is taken over where the files are the same."
    )


class CancelRequest(_Wire):
    """Why a run is cancelled."""

    reason: Annotated[str, text(500)] = Field(default="cancelled", description="Shown with the run and audited.")


class Links(BaseModel):
    """Addresses of what belongs to a run."""

    self: str = Field(description="The run.")
    events: str = Field(description="Its live stream.")
    checks: str = Field(description="Its checks; append `/{check}`.")
    findings: str = Field(description="Its findings.")
    decision: str = Field(description="Its decision, once there is one.")


class RunAccepted(BaseModel):
    """A run that is durable and waits."""

    id: UUID = Field(description="The run.")
    status: RunStatus = Field(description="Where it stands.")
    created: bool = Field(description="False where the same `Idempotency-Key` had made it before.")
    links: Links = Field(description="Where to go on.")


class RunState(BaseModel):
    """Where a run stands."""

    id: UUID = Field(description="The run.")
    status: RunStatus = Field(description="Where it stands.")


class SubjectView(BaseModel):
    """What a run judges."""

    kind: str = Field(description="`commit`, `tree`, `dataset_version`, `model_version`, `endpoint`, …")
    name: str = Field(description="Its name.")
    digest: str = Field(description="Digest of its content.")
    revision: str = Field(description="Commit or version number.")
    branch: str = Field(description="Branch.")


class RunSummary(BaseModel):
    """A run in a list."""

    id: UUID = Field(description="The run; ids grow with time.")
    status: RunStatus = Field(description="`queued`, `running`, `succeeded`, `failed` or `cancelled`.")
    held: bool = Field(description="It waits for another run of the same concurrency key.")
    verdict: Verdict | None = Field(description="The decision; absent until it is made, and for partial runs.")
    event: str = Field(description="Why it was asked for.")
    actor: str = Field(description="Who asked, as the audit log names it.")
    source: dict[str, Any] = Field(description="Where the files come from, as it was asked for.")
    parameters: dict[str, Any] = Field(description="The caller's own words.")
    trigger: dict[str, Any] | None = Field(description="What the event said that began it: forge, commit, request.")
    subject: SubjectView | None = Field(description="What is judged, once it is known.")
    priority: int = Field(description="Higher runs go first.")
    concurrency_key: str | None = Field(description="Runs of one key never run at once.")
    rerun_of: UUID | None = Field(description="The run that this one repeats.")
    version: int = Field(description="Grows with every change; the ETag and the id of stream events.")
    submitted_at: datetime = Field(description="When it was accepted.")
    started_at: datetime | None = Field(description="When its plan was begun.")
    ended_at: datetime | None = Field(description="When it ended.")
    links: Links = Field(description="Where to go on.")


class RunPage(BaseModel):
    """A page of runs."""

    items: list[RunSummary] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class FactView(BaseModel):
    """A measured value."""

    name: str = Field(description="Name within its check.")
    type: str = Field(description="`number`, `boolean` or `text`.")
    unit: str = Field(description="Unit; a ratio is never a percentage.")
    value: str | bool | None = Field(description="Decimal text for numbers; null where it could not be measured.")
    low: str | None = Field(description="Lower bound of the interval.")
    high: str | None = Field(description="Upper bound of the interval.")
    sample_size: int | None = Field(description="The n behind it.")


class AttemptView(BaseModel):
    """One try of a check."""

    attempt: int = Field(description="Counts from one; a lost attempt leaves a gap.")
    completion: Completion = Field(description="How it ended.")
    result: CheckResult = Field(description="What it amounts to.")
    final: bool = Field(description="Not tried again.")
    summary: str = Field(description="A few words of the check.")
    reason: str = Field(description="Why there is no answer, where there is none.")
    next_step: str = Field(description="What to do about it.")
    duration_seconds: float = Field(description="How long it took.")
    cached_age_seconds: float | None = Field(description="Age of the answer, where it was not run again.")
    ended_at: datetime = Field(description="When it ended.")
    findings: dict[str, int] = Field(description="Findings by severity.")
    evidence_digest: str | None = Field(description="Digest of its evidence, if it left any.")


class ArtifactView(BaseModel):
    """A file that a check left."""

    name: str = Field(description="Its name.")
    media_type: str = Field(description="What it holds.")
    digest: str = Field(description="Digest of its content.")
    size: int = Field(description="Bytes.")
    href: str = Field(description="Where to get it.")


class CheckView(BaseModel):
    """A check of a run."""

    id: str = Field(description="Its id in the blueprint.")
    type: str = Field(description="Its type.")
    stage: str = Field(description="Its stage.")
    required: bool = Field(description="Whether the verdict needs it.")
    queue: str = Field(description="Who may run it.")
    needs: list[str] = Field(description="Checks before it.")
    state: CheckState = Field(description="Where it stands.")
    result: CheckResult | None = Field(description="What its last attempt amounts to, once it has ended.")
    summary: str = Field(description="A few words of the check.")
    started_at: datetime | None = Field(description="When the attempt under way began.")
    attempts: list[AttemptView] = Field(description="Every attempt that has ended.")
    facts: list[FactView] = Field(description="What it measured.")
    findings: dict[str, int] = Field(description="Findings of the last attempt by severity.")


class CheckDetail(CheckView):
    """A check with everything that it left but its findings."""

    undecided: list[dict[str, Any]] = Field(description="What it could not settle, and what would.")
    artifacts: list[ArtifactView] = Field(description="Files that it left.")
    notes: list[str] = Field(description="Decide nothing.")
    report: str = Field(description="Traceback or end of the log of the last attempt, for a person.")


class StageView(BaseModel):
    """A stage of a run."""

    name: str = Field(description="Its name.")
    state: CheckState = Field(description="The state of its checks together.")
    checks: list[CheckView] = Field(description="In the order of the plan.")


class FailureView(BaseModel):
    """Why a run ended without a plan."""

    error: str = Field(description="What is wrong.")
    next_step: str = Field(default="", description="What to do about it.")


class RunView(RunSummary):
    """A run with all its checks."""

    blueprint: str = Field(description="The blueprint that it follows.")
    blueprint_digest: str | None = Field(description="Digest of it, once decided.")
    partial: bool = Field(description="Some checks were left out: no verdict, no seal.")
    failure: FailureView | None = Field(description="Why it ended without a plan.")
    stages: list[StageView] = Field(description="In the order of the plan; empty until there is one.")
    decision_digest: str | None = Field(description="Digest of the decision, once there is one.")
    seal_digest: str | None = Field(description="Digest of the seal, once there is one.")
    what_if: dict[str, Any] | None = Field(
        description="What a pull request's own blueprint and project file would have decided; lets nothing through."
    )
    notes: list[str] = Field(description="What was left out, and why; decides nothing.")


class FindingView(BaseModel):
    """One thing wrong."""

    check: str = Field(description="The check that found it.")
    attempt: int = Field(description="In which attempt.")
    rule: str = Field(description="Rule id.")
    severity: str = Field(description="`info` to `critical`.")
    message: str = Field(description="What is wrong.")
    path: str = Field(description="File or address.")
    line: int | None = Field(description="Line, from one.")
    fingerprint: str = Field(description="The same across runs.")


class FindingPage(BaseModel):
    """A page of findings."""

    items: list[FindingView] = Field(description="By check, attempt and place.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class SealView(BaseModel):
    """A seal of a subject."""

    run: UUID = Field(description="The run that it seals.")
    verdict: Verdict = Field(description="What was decided.")
    subject: str = Field(description="Digest of what was judged.")
    blueprint: str = Field(description="Under which blueprint.")
    blueprint_digest: str = Field(description="Digest of the blueprint; a verifier expects one.")
    decision_digest: str = Field(description="Digest of the decision.")
    seal_digest: str = Field(description="Digest of the envelope.")
    decided_at: datetime = Field(description="When.")
    envelope: dict[str, Any] = Field(description="DSSE envelope with an in-toto statement (SLSA VSA).")
    inclusion: dict[str, Any] | None = Field(description="Proof that the audit log holds the decision, if it has one.")


class SealPage(BaseModel):
    """Seals of a subject."""

    allowed: bool = Field(
        description="Whether the newest decision about the subject is PASS; a gate verifies the seal."
    )
    items: list[SealView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


class DeadLetterView(BaseModel):
    """Work that was given up."""

    id: UUID = Field(description="The dead letter.")
    run: UUID = Field(description="Whose work it was.")
    check: str | None = Field(description="Which check; null for a step of the run itself.")
    reason: str = Field(description="Why it was given up.")
    created_at: datetime = Field(description="When.")
    replayed_at: datetime | None = Field(description="When it was submitted again.")
    replayed_as: UUID | None = Field(description="The run that it became.")


class DeadLetterDetail(DeadLetterView):
    """A dead letter with what is needed to understand it."""

    details: dict[str, Any] = Field(description="What is known of each try.")
    submission: dict[str, Any] | None = Field(description="What had been submitted.")


class DeadLetterPage(BaseModel):
    """A page of dead letters."""

    items: list[DeadLetterView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")
