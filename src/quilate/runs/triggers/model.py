"""Events from outside, the hooks that they come by, the rules that choose what they begin."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """Kept with a run and read by connectors; only a verified event makes one, never a caller's own words.

    Attributes:
        provider: ``github``, ``gitlab``, ``bitbucket``, ``gitea``, ``mlflow``, ``cloudevents``, …
        event_id: The event's number in the service.
        kind: ``push``, ``pull_request``, ``tag``, ``release``, ``merge_group``, ``model_version``, …
        repository: Its full name at the provider, such as ``owner/name``.
        repository_id: Its id at the provider, which stays when it is renamed.
        clone_url: Where it is cloned from.
        commit: The commit that is judged, as the provider spells it; Bitbucket shortens it in pull requests.
        branch: The branch that the commit is on, without ``refs/heads/``.
        tag: The tag, for tags and releases.
        pull_request: Number of the pull or merge request.
        base_branch: The branch that the request wants to be merged into.
        base_commit: That branch's commit as the event told it.
        from_fork: The commit comes from another repository: the run gets no secrets.
        sender: Who caused it, at the provider.
        subject: Name of the dataset or model, or the CloudEvents subject.
        version: Version of the dataset or model.
    """

    provider: str
    event_id: str = ""
    kind: str = ""
    repository: str = ""
    repository_id: str = ""
    clone_url: str = ""
    commit: str = ""
    branch: str = ""
    tag: str = ""
    pull_request: int | None = None
    base_branch: str = ""
    base_commit: str = ""
    from_fork: bool = False
    sender: str = ""
    subject: str = ""
    version: str = ""


class Provider(StrEnum):
    """Who sends to a hook."""

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    GITEA = "gitea"
    MLFLOW = "mlflow"
    GENERIC = "generic"


CLOUDEVENTS = "cloudevents"
INSIDE = "quilate"


class EventKind(StrEnum):
    """What an event tells."""

    PUSH = "push"
    PULL_REQUEST = "pull_request"
    TAG = "tag"
    RELEASE = "release"
    MERGE_GROUP = "merge_group"
    BRANCH_DELETED = "branch_deleted"
    COMMENT = "comment"
    DATASET_VERSION = "dataset_version"
    MODEL_VERSION = "model_version"
    KEY = "key"
    SCHEDULE = "schedule"
    MANUAL = "manual"
    OTHER = "other"


class EventState(StrEnum):
    """What became of an event.

    ``pending``: not worked off yet. ``matched``: it began or cancelled runs. ``unmatched``: no rule wants it.
    ``refused``: a rule wants it, and the project may not have it. ``superseded``: a newer one of its subject was known
    already. ``failed``: it could not be worked off.
    """

    PENDING = "pending"
    MATCHED = "matched"
    UNMATCHED = "unmatched"
    REFUSED = "refused"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class EventFacts:
    """What a verified event says, in the same words whoever sent it.

    Attributes:
        provider: Who sent it.
        kind: What it tells.
        type: The provider's own name of the event.
        action: ``opened``, ``updated``, ``reopened``, ``closed``, ``created``, …
        subject: What it is about: dataset, model, CloudEvents subject.
        version: Of the dataset or model.
        order_key: Events of one project and key are worked off one after the other, in the order of their arrival.
        repository: Full name at the provider.
        repository_id: Id at the provider.
        clone_url: Where the repository is cloned from.
        fork_url: Where the commit is cloned from, where the repository itself does not hold it.
        commit: The commit.
        before: The commit that the branch was on before.
        branch: The branch, without ``refs/heads/``.
        tag: The tag, without ``refs/tags/``.
        pull_request: Number of the pull or merge request.
        base_branch: What it wants to be merged into.
        base_commit: That branch's commit.
        from_fork: It comes from another repository.
        forced: The branch was moved to a commit that does not follow from the one before.
        sender: Who caused it, at the provider.
        association: What the sender is to the repository, as the provider says it, for comments.
        text: Of a comment.
        comment_id: Of a comment.
        occurred_at: When it happened, as the provider says.
    """

    provider: str
    kind: EventKind
    type: str = ""
    action: str = ""
    subject: str = ""
    version: str = ""
    order_key: str = ""
    repository: str = ""
    repository_id: str = ""
    clone_url: str = ""
    fork_url: str = ""
    commit: str = ""
    before: str = ""
    branch: str = ""
    tag: str = ""
    pull_request: int | None = None
    base_branch: str = ""
    base_commit: str = ""
    from_fork: bool = False
    forced: bool = False
    sender: str = ""
    association: str = ""
    text: str = ""
    comment_id: str = ""
    occurred_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewEvent:
    """An event that was verified and is to be kept.

    Attributes:
        project_id: Whose it is.
        actor: Who brought it, as the audit log names it.
        source: With ``id`` its identity.
        id: Unique within the source.
        facts: What it says.
        payload_digest: Of the body that brought it.
        payload_bytes: Length of that body.
        replay_digest: Where ``id`` is not signed, what else must not come twice.
        hook_id: The hook that it came by.
        refusal: Why it is kept as refused at once; it can be replayed.
    """

    project_id: UUID
    actor: str
    source: str
    id: str
    facts: EventFacts
    payload_digest: str
    payload_bytes: int
    replay_digest: str | None = None
    hook_id: UUID | None = None
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """An event that is durable; ``duplicate`` where it was there already."""

    id: UUID
    duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredEvent:
    """An event as it is kept."""

    id: UUID
    project_id: UUID
    sequence: int
    source: str
    event_id: str
    hook_id: UUID | None
    facts: EventFacts
    state: EventState
    payload_digest: str
    payload_bytes: int
    received_at: datetime
    rule: str = ""
    run_id: UUID | None = None
    reason: str = ""
    next_step: str = ""
    attempts: int = 0
    replays: int = 0
    settled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HookWish:
    """What somebody wants of a hook; only events of ``repositories`` are taken, of any where there are none."""

    name: str
    provider: Provider
    repositories: tuple[str, ...] = ()
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Hook:
    """An address that a provider sends to. The secrets are sealed."""

    id: UUID
    project_id: UUID
    project: str
    wish: HookWish
    revision: int
    author: str
    secret: bytes = field(repr=False)
    previous_secret: bytes | None = field(default=None, repr=False)
    previous_until: datetime | None = None
    refused: int = 0
    refused_at: datetime | None = None
    created_at: datetime
    updated_at: datetime

    @property
    def tag(self) -> str:
        """What changes with every change that a person makes."""
        return f"{self.id.hex}-{self.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerRule:
    """Which events begin a run, and of what; the first one that matches counts.

    Attributes:
        name: What people call it, once in a project.
        when: Condition in the policy language over the event's facts; empty for all.
        match: Patterns with ``*`` and ``?`` by the name of a text fact: one of each must fit.
        blueprint: ``name`` or ``name@version``; empty for the project file's or the project's own.
        priority: Of the run.
        supersede: An older run of the same subject is cancelled.
        project_file: Text of a ``quilate.yaml`` for a source that holds none.
        enabled: It counts.
    """

    name: str
    when: str = ""
    match: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blueprint: str = ""
    priority: int = 0
    supersede: bool = True
    project_file: str = ""
    enabled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleList:
    """A project's rules, in their order; ``revision`` 0 and ``author`` empty for the built-in ones."""

    rules: tuple[TriggerRule, ...]
    revision: int = 0
    author: str = ""
    updated_at: datetime | None = None

    @property
    def tag(self) -> str:
        """What changes with every change."""
        return f"rules-{self.revision}"
