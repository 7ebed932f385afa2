"""What becomes of one event. Pure: the worker carries it out."""

from dataclasses import dataclass, replace
from typing import Any

from quilate.accounts.model import SYSTEM
from quilate.runs.durable.model import Idempotency, Submission
from quilate.runs.triggers.model import (
    CLOUDEVENTS,
    INSIDE,
    EventFacts,
    EventKind,
    EventState,
    Provider,
    StoredEvent,
    Trigger,
    TriggerRule,
)
from quilate.runs.triggers.providers.payload import FULL_COMMIT
from quilate.runs.triggers.rules import RuleMatcher
from quilate.runs.triggers.store import EventProject, Head
from quilate.runs.workspaces.model import Source, SourceKind

EVENT_SOURCE = "event"
"""With the event's number the idempotency name of the run that it begins."""

_MOST_EARLIER = 50
_OF_FORGE = frozenset({EventKind.PUSH, EventKind.PULL_REQUEST, EventKind.TAG, EventKind.RELEASE, EventKind.MERGE_GROUP})
_ORDERED = frozenset({EventKind.PUSH, EventKind.PULL_REQUEST})
_CATALOGUE = {EventKind.DATASET_VERSION: SourceKind.DATASET, EventKind.MODEL_VERSION: SourceKind.MODEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What to do with an event.

    Attributes:
        state: What it becomes.
        rule: Name of the rule that it matched.
        reason: Why, for a person.
        next_step: What they can do.
        submission: The run that it begins.
        cancels: Why the runs of its subject end.
    """

    state: EventState
    rule: str = ""
    reason: str = ""
    next_step: str = ""
    submission: Submission | None = None
    cancels: str = ""


class _RefusedError(Exception):
    """The event matches a rule, and there is nothing that may be judged."""

    def __init__(self, reason: str, next_step: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.next_step = next_step


def decide(event: StoredEvent, project: EventProject, matcher: RuleMatcher, head: Head | None) -> Outcome:
    """Return what becomes of an event.

    Args:
        event: The oldest of its subject that is not worked off.
        project: Whose it is.
        matcher: The project's rules.
        head: Where its subject is after the events before it.
    """
    facts = event.facts
    if project.archived:
        return Outcome(
            state=EventState.REFUSED,
            reason="the project is archived",
            next_step="take it out of the archive, then replay the event",
        )
    cancels = _cancels(facts)
    if cancels:
        return Outcome(state=EventState.MATCHED, cancels=cancels)
    if facts.kind in _ORDERED and is_late(facts, head):
        return Outcome(
            state=EventState.SUPERSEDED,
            reason="a newer commit of the same branch or request came first",
            next_step="nothing has to be done; replay it to judge this commit after all",
        )
    return _by_rules(event, project, matcher)


def _by_rules(event: StoredEvent, project: EventProject, matcher: RuleMatcher) -> Outcome:
    if event.facts.kind is EventKind.COMMENT:
        return Outcome(state=EventState.UNMATCHED, reason="comments begin no runs")
    rule = matcher.match(event.facts, protected_branch=project.protected_branch)
    if rule is None:
        return Outcome(
            state=EventState.UNMATCHED,
            reason="no trigger rule matches",
            next_step="change the project's trigger rules, then replay the event",
        )
    try:
        submission = _submission(event, project, rule)
    except _RefusedError as error:
        return Outcome(state=EventState.REFUSED, rule=rule.name, reason=error.reason, next_step=error.next_step)
    return Outcome(state=EventState.MATCHED, rule=rule.name, submission=submission)


def _cancels(facts: EventFacts) -> str:
    if facts.kind is EventKind.BRANCH_DELETED:
        return "the branch was deleted"
    if facts.kind is EventKind.PULL_REQUEST and facts.action == "closed":
        return "the request was closed"
    if facts.kind is EventKind.MERGE_GROUP and facts.action == "destroyed":
        return "the merge group was taken out of the queue"
    return ""


def is_late(facts: EventFacts, head: Head | None) -> bool:
    """Tell whether an event arrived after a newer one of its subject.

    It is not when it follows directly on where the subject is. Else its time decides where both have one, and where
    not, whether the subject was on its commit before. A commit's own date says nothing: a force push may set a branch
    back.
    """
    if head is None or not facts.commit:
        return False
    if facts.before and facts.before == head.commit:
        return False
    if facts.occurred_at is not None and head.occurred_at is not None:
        return facts.occurred_at < head.occurred_at
    return facts.commit != head.commit and facts.commit in head.earlier


def head_after(facts: EventFacts, head: Head | None) -> Head | None:
    """Return where a subject is after an event that was not late; ``None`` for nowhere."""
    if facts.kind is EventKind.BRANCH_DELETED:
        return None
    if facts.kind not in _ORDERED or not facts.commit:
        return head
    known = (facts.before, head.commit if head else "", *(head.earlier if head else ()))
    earlier = tuple(dict.fromkeys(each for each in known if each and each != facts.commit))[:_MOST_EARLIER]
    return Head(
        commit=facts.commit, occurred_at=facts.occurred_at or (head.occurred_at if head else None), earlier=earlier
    )


def _submission(event: StoredEvent, project: EventProject, rule: TriggerRule) -> Submission:
    facts = event.facts
    name = str(event.id) if not event.replays else f"{event.id}.{event.replays}"
    return Submission(
        project_id=project.id,
        project=project.slug,
        source=_source(facts, project, rule),
        actor=SYSTEM,
        event=facts.kind.value,
        parameters=_parameters(event, rule),
        blueprint=rule.blueprint,
        project_file=rule.project_file,
        priority=rule.priority,
        concurrency_key=facts.order_key if rule.supersede else "",
        supersede=rule.supersede,
        idempotency=Idempotency(source=EVENT_SOURCE, id=name),
        trigger=trigger_of(event),
        without_secrets=facts.from_fork,
    )


def trigger_of(event: StoredEvent) -> Trigger:
    """Return what connectors learn of an event.

    A CloudEvent's or generic delivery's own words about branch and commit choose what is judged and go no further.
    """
    facts = event.facts
    if facts.provider in {CLOUDEVENTS, Provider.GENERIC.value, INSIDE}:
        return Trigger(
            provider=facts.provider,
            event_id=str(event.id),
            kind=facts.kind.value,
            subject=facts.subject,
            version=facts.version,
        )
    return Trigger(
        provider=facts.provider,
        event_id=str(event.id),
        kind=facts.kind.value,
        repository=facts.repository,
        repository_id=facts.repository_id,
        clone_url=facts.clone_url,
        commit=facts.commit,
        branch=facts.branch,
        tag=facts.tag,
        pull_request=facts.pull_request,
        base_branch=facts.base_branch,
        base_commit=facts.base_commit,
        from_fork=facts.from_fork,
        sender=facts.sender,
        subject=facts.subject,
        version=facts.version,
    )


def _parameters(event: StoredEvent, rule: TriggerRule) -> dict[str, Any]:
    facts = event.facts
    told = {
        "event": str(event.id),
        "rule": rule.name,
        "action": facts.action,
        "subject": facts.subject,
        "version": facts.version,
    }
    return {name: value for name, value in told.items() if value}


def _source(facts: EventFacts, project: EventProject, rule: TriggerRule) -> Source:
    if facts.kind in _OF_FORGE:
        return _forge_source(facts, project)
    kind = _CATALOGUE.get(facts.kind)
    if kind is not None and facts.provider != Provider.MLFLOW.value:
        if not facts.subject:
            raise _RefusedError("the event names no dataset or model", "send its name and version as data")
        return Source(kind=kind, location=facts.subject, revision=facts.version)
    if project.repository_url:
        revision = facts.commit if FULL_COMMIT.match(facts.commit) else ""
        branch = facts.branch or ("" if revision else project.protected_branch)
        return Source(kind=SourceKind.GIT, location=project.repository_url, revision=revision, branch=branch)
    if rule.project_file:
        return Source(kind=SourceKind.NONE)
    raise _RefusedError(
        "the project has no repository", "give the project one, or the rule a project_file, then replay the event"
    )


def _forge_source(facts: EventFacts, project: EventProject) -> Source:
    location = facts.fork_url or facts.clone_url
    if not location:
        raise _RefusedError("the event does not say where the repository is", "see the delivery at the provider")
    source = Source(kind=SourceKind.GIT, location=location, branch=facts.branch)
    # The branch of a fork is the fork's: it must not be taken for one of the repository.
    own = replace(source, branch=f"pull/{facts.pull_request}") if facts.from_fork else source
    if FULL_COMMIT.match(facts.commit):
        return replace(own, revision=facts.commit)
    if facts.tag:
        return replace(own, revision=facts.tag)
    if not facts.branch:
        raise _RefusedError("the event names neither a commit nor a branch", "see the delivery at the provider")
    if facts.from_fork and facts.branch in {facts.base_branch, project.protected_branch}:
        raise _RefusedError(
            "the fork's branch has the name of the branch that it wants to be merged into, and its commit is shortened",
            "have the request opened from a branch with a name of its own",
        )
    return source
