"""Events, hooks, rules and registries on the wire."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.runs.durable.model import HIGHEST_PRIORITY, LOWEST_PRIORITY
from quilate.runs.triggers.model import (
    Accepted,
    EventKind,
    EventState,
    Hook,
    HookWish,
    Provider,
    RuleList,
    StoredEvent,
    TriggerRule,
)
from quilate.runs.triggers.rules import MOST_RULES, PATTERN_FACTS

_NO_NUL = r"^[^\x00]*$"


def _text(longest: int, shortest: int = 0) -> Any:
    return StringConstraints(min_length=shortest, max_length=longest, pattern=_NO_NUL)


class _Wire(BaseModel):
    model_config = ConfigDict(extra="forbid")


class AcceptedView(BaseModel):
    """An event that is durable."""

    id: UUID = Field(description="The event's number in the service.")
    duplicate: bool = Field(description="It was there already: nothing happens a second time.")


class ReceiptView(BaseModel):
    """What became of a request that brings events."""

    events: list[AcceptedView] = Field(description="In the order of the request; none for a ping.")
    ping: bool = Field(default=False, description="The provider only asked whether somebody is there.")


def receipt_view(events: Sequence[Accepted]) -> ReceiptView:
    """Return what became of CloudEvents on the wire."""
    return ReceiptView(events=[AcceptedView(id=each.id, duplicate=each.duplicate) for each in events])


class EventView(BaseModel):
    """An event as it is kept: of its body digest, length and what it says."""

    id: UUID
    source: str = Field(description="With `source_id` what makes a second delivery the first one.")
    source_id: str = Field(description="The id that the sender gave it.")
    hook: UUID | None = Field(description="The hook that it came by.")
    provider: str
    kind: EventKind
    type: str = Field(description="The provider's own name of the event.")
    action: str
    subject: str
    version: str
    repository: str
    branch: str
    base_branch: str
    tag: str
    commit: str
    pull_request: int | None
    from_fork: bool
    sender: str
    state: EventState
    rule: str = Field(description="The trigger rule that it matched.")
    run: UUID | None = Field(description="The run that it began.")
    reason: str = Field(description="Why it is in this state.")
    next_step: str = Field(description="What can be done about it.")
    replays: int = Field(description="How often it was worked off again.")
    payload_digest: str
    payload_bytes: int
    received_at: datetime
    settled_at: datetime | None


class EventPage(BaseModel):
    """A page of events."""

    items: list[EventView]
    next_cursor: str = Field(default="", description="For the next page; empty on the last one.")


def event_view(event: StoredEvent) -> EventView:
    """Return an event on the wire."""
    facts = event.facts
    return EventView(
        id=event.id,
        source=event.source,
        source_id=event.event_id,
        hook=event.hook_id,
        provider=facts.provider,
        kind=facts.kind,
        type=facts.type,
        action=facts.action,
        subject=facts.subject,
        version=facts.version,
        repository=facts.repository,
        branch=facts.branch,
        base_branch=facts.base_branch,
        tag=facts.tag,
        commit=facts.commit,
        pull_request=facts.pull_request,
        from_fork=facts.from_fork,
        sender=facts.sender,
        state=event.state,
        rule=event.rule,
        run=event.run_id,
        reason=event.reason,
        next_step=event.next_step,
        replays=event.replays,
        payload_digest=event.payload_digest,
        payload_bytes=event.payload_bytes,
        received_at=event.received_at,
        settled_at=event.settled_at,
    )


class HookBody(_Wire):
    """A hook, whole."""

    name: Annotated[str, _text(100, 1)] = Field(description="What people call it, once in the project.")
    provider: Provider = Field(description="Whose signature counts; `generic` is Standard Webhooks.")
    repositories: list[Annotated[str, _text(300, 1)]] = Field(
        default_factory=list,
        max_length=100,
        description="Full names or ids of the only repositories whose events are taken; none for any.",
    )
    paused: bool = Field(default=False, description="Its events are kept as refused and can be replayed.")

    def wish(self) -> HookWish:
        """Return what is wanted."""
        return HookWish(
            name=self.name,
            provider=self.provider,
            repositories=tuple(dict.fromkeys(self.repositories)),
            paused=self.paused,
        )


class HookView(HookBody):
    """A hook as it is; its secret is never shown again."""

    id: UUID
    address: str = Field(description="Where the provider sends to.")
    revision: int
    author: str
    refused: int = Field(description="Deliveries whose signature was not right; nothing else of them is kept.")
    refused_at: datetime | None
    previous_secret_until: datetime | None = Field(description="So long the secret before the rotation is good.")
    created_at: datetime
    updated_at: datetime


class NewHookView(HookView):
    """A hook with a secret that was made just now."""

    secret: str = Field(description="For the provider; shown only now.")


class HookPage(BaseModel):
    """A page of hooks."""

    items: list[HookView]
    next_cursor: str = Field(default="", description="For the next page; empty on the last one.")


class RotationBody(_Wire):
    """How a secret is replaced."""

    overlap_seconds: int = Field(
        default=86400, ge=0, le=30 * 86400, description="So long the old secret stays good beside the new one."
    )

    def overlap(self) -> timedelta:
        """Return how long both are good."""
        return timedelta(seconds=self.overlap_seconds)


def hook_view(hook: Hook, base_url: str) -> HookView:
    """Return a hook on the wire."""
    return HookView(**_hook_fields(hook, base_url))


def new_hook_view(hook: Hook, secret: str, base_url: str) -> NewHookView:
    """Return a hook on the wire with its secret."""
    return NewHookView(**_hook_fields(hook, base_url), secret=secret)


def _hook_fields(hook: Hook, base_url: str) -> dict[str, Any]:
    return {
        "id": hook.id,
        "name": hook.wish.name,
        "provider": hook.wish.provider,
        "repositories": list(hook.wish.repositories),
        "paused": hook.wish.paused,
        "address": f"{base_url}/hooks/{hook.id}",
        "revision": hook.revision,
        "author": hook.author,
        "refused": hook.refused,
        "refused_at": hook.refused_at,
        "previous_secret_until": hook.previous_until,
        "created_at": hook.created_at,
        "updated_at": hook.updated_at,
    }


class RuleBody(_Wire):
    """Which events begin a run, and of what."""

    name: Annotated[str, _text(100, 1)] = Field(description="Once in the list.")
    when: Annotated[str, _text(4096)] = Field(
        default="",
        description="Condition in the policy language over the event's facts; empty for all.",
        examples=['kind == "push" and branch == protected_branch'],
    )
    match: dict[Annotated[str, _text(64, 1)], list[Annotated[str, _text(256, 1)]]] = Field(
        default_factory=dict,
        max_length=len(PATTERN_FACTS),
        description="Patterns with `*`, `?` and `[…]` by the name of a fact: one of each must fit, as `when` must.",
        examples=[{"branch": ["release/*"]}],
    )
    blueprint: Annotated[str, _text(256)] = Field(
        default="", description="`name` or `name@version`, published or built in; empty for the project file's."
    )
    priority: int = Field(default=0, ge=LOWEST_PRIORITY, le=HIGHEST_PRIORITY, description="Higher runs go first.")
    supersede: bool = Field(
        default=True, description="Cancel an older run of the same branch, request or subject instead of waiting."
    )
    project_file: Annotated[str, _text(64 * 1024)] = Field(
        default="", description="Text of a `quilate.yaml` for a source that holds none."
    )
    enabled: bool = Field(default=True, description="It counts.")

    def rule(self) -> TriggerRule:
        """Return the rule."""
        return TriggerRule(
            name=self.name,
            when=self.when,
            match={name: tuple(patterns[:50]) for name, patterns in self.match.items()},
            blueprint=self.blueprint,
            priority=self.priority,
            supersede=self.supersede,
            project_file=self.project_file,
            enabled=self.enabled,
        )


class RulesBody(_Wire):
    """All rules, in the order in which they are asked; the first that matches counts."""

    rules: list[RuleBody] = Field(max_length=MOST_RULES)


class RulesView(RulesBody):
    """The rules that count."""

    built_in: bool = Field(description="The project has none of its own.")
    revision: int
    author: str
    updated_at: datetime | None


def rules_view(rules: RuleList) -> RulesView:
    """Return rules on the wire."""
    return RulesView(
        rules=[
            RuleBody(
                name=rule.name,
                when=rule.when,
                match={name: list(patterns) for name, patterns in rule.match.items()},
                blueprint=rule.blueprint,
                priority=rule.priority,
                supersede=rule.supersede,
                project_file=rule.project_file,
                enabled=rule.enabled,
            )
            for rule in rules.rules
        ],
        built_in=not rules.revision,
        revision=rules.revision,
        author=rules.author,
        updated_at=rules.updated_at,
    )
