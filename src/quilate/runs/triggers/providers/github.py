"""GitHub's deliveries.

Source: GitHub, "Webhook events and payloads". ``repository.pushed_at`` is the time of the push in ``push`` events.
"""

from collections.abc import Callable, Mapping
from typing import Any

from quilate.runs.triggers.model import EventFacts, EventKind, Provider
from quilate.runs.triggers.providers.payload import (
    LONGEST_COMMENT,
    Ping,
    Reading,
    branch_of,
    commit,
    flag,
    inner,
    moment,
    number,
    subject_key,
    tag_of,
    text,
)

Document = Mapping[str, Any]

_ACTIONS = {"synchronize": "updated", "synchronized": "updated"}
"""GitHub and Gitea name new commits in a request differently."""


def read(headers: Mapping[str, str], document: Document) -> Reading:
    """Return what a delivery says."""
    event = headers.get("x-github-event", "")
    if event == "ping":
        return Ping()
    return read_event(event, document, Provider.GITHUB)


def read_event(event: str, document: Document, provider: Provider) -> tuple[EventFacts, ...]:
    """Return what an event says in GitHub's form, which Gitea shares but for names of actions."""
    reader = _READERS.get(event)
    facts = reader(document, provider) if reader is not None else None
    return (facts if facts is not None else _other(event, document, provider),)


def _other(event: str, document: Document, provider: Provider) -> EventFacts:
    common = _common(document, provider, event)
    return EventFacts(kind=EventKind.OTHER, order_key=subject_key(common["repository"], event), **common)


def _common(document: Document, provider: Provider, event: str) -> dict[str, Any]:
    action = text(document, "action", most=64)
    return {
        "provider": provider.value,
        "type": event[:64],
        "action": _ACTIONS.get(action, action),
        "repository": text(document, "repository", "full_name"),
        "repository_id": text(document, "repository", "id"),
        "clone_url": text(document, "repository", "clone_url"),
        "sender": text(document, "sender", "login"),
    }


def _push(document: Document, provider: Provider) -> EventFacts | None:
    common = _common(document, provider, "push")
    reference = text(document, "ref")
    key = subject_key(common["repository"], reference)
    branch, tag = branch_of(reference), tag_of(reference)
    after = commit(document, "after")
    pushed_at = moment(document, "repository", "pushed_at") if provider is Provider.GITHUB else None
    shared = {**common, "order_key": key, "before": commit(document, "before"), "occurred_at": pushed_at}
    if tag and after:
        # An annotated tag has an id of its own; what it points to is the head commit.
        judged = commit(document, "head_commit", "id") or after
        return EventFacts(**{**shared, "action": "pushed"}, kind=EventKind.TAG, tag=tag, commit=judged)
    if tag:
        return EventFacts(**{**shared, "action": "deleted"}, kind=EventKind.OTHER, tag=tag)
    if branch and not after:
        return EventFacts(**{**shared, "action": "deleted"}, kind=EventKind.BRANCH_DELETED, branch=branch)
    if not branch:
        return None
    created = flag(document, "created") or not shared["before"]
    return EventFacts(
        **{**shared, "action": "created" if created else "pushed"},
        kind=EventKind.PUSH,
        branch=branch,
        commit=after,
        forced=flag(document, "forced"),
    )


def _deleted(document: Document, provider: Provider) -> EventFacts | None:
    name = text(document, "ref")
    if text(document, "ref_type") != "branch" or not name:
        return None
    common = {**_common(document, provider, "delete"), "action": "deleted"}
    branch = branch_of(name) or name
    key = subject_key(common["repository"], f"refs/heads/{branch}")
    return EventFacts(**common, kind=EventKind.BRANCH_DELETED, order_key=key, branch=branch)


def _pull_request(document: Document, provider: Provider) -> EventFacts | None:
    request = inner(document, "pull_request")
    place = number(request, "number") or number(document, "number")
    if place is None:
        return None
    common = _common(document, provider, "pull_request")
    head, base = inner(request, "head"), inner(request, "base")
    # A fork that was deleted leaves no repository behind.
    from_fork = text(head, "repo", "id") != text(base, "repo", "id") or not text(head, "repo", "id")
    return EventFacts(
        **common,
        kind=EventKind.PULL_REQUEST,
        order_key=subject_key(common["repository"], f"pull/{place}"),
        pull_request=place,
        commit=commit(head, "sha"),
        before=commit(document, "before"),
        branch=text(head, "ref"),
        base_branch=text(base, "ref"),
        base_commit=commit(base, "sha"),
        from_fork=from_fork,
        occurred_at=moment(request, "updated_at"),
    )


def _release(document: Document, provider: Provider) -> EventFacts | None:
    tag = text(document, "release", "tag_name")
    if not tag:
        return None
    common = _common(document, provider, "release")
    key = subject_key(common["repository"], f"release/{tag}")
    return EventFacts(**common, kind=EventKind.RELEASE, order_key=key, tag=tag)


def _merge_group(document: Document, provider: Provider) -> EventFacts | None:
    group = inner(document, "merge_group")
    branch = branch_of(text(group, "head_ref"))
    if not branch:
        return None
    common = _common(document, provider, "merge_group")
    return EventFacts(
        **common,
        kind=EventKind.MERGE_GROUP,
        order_key=subject_key(common["repository"], f"merge/{branch}"),
        commit=commit(group, "head_sha"),
        branch=branch,
        base_branch=branch_of(text(group, "base_ref")),
        base_commit=commit(group, "base_sha"),
    )


def _comment(document: Document, provider: Provider) -> EventFacts | None:
    issue, comment = inner(document, "issue"), inner(document, "comment")
    place = number(issue, "number") or number(document, "pull_request", "number")
    if place is None:
        return None
    is_request = bool(inner(issue, "pull_request") or inner(document, "pull_request")) or flag(document, "is_pull")
    common = {**_common(document, provider, "comment"), "sender": text(comment, "user", "login")}
    return EventFacts(
        **common,
        kind=EventKind.COMMENT,
        order_key=subject_key(common["repository"], f"pull/{place}" if is_request else f"issue/{place}"),
        subject=f"{'pull' if is_request else 'issue'}/{place}",
        pull_request=place if is_request else None,
        association=text(comment, "author_association", most=64),
        text=text(comment, "body", most=LONGEST_COMMENT),
        comment_id=text(comment, "id"),
        occurred_at=moment(comment, "created_at"),
    )


_READERS: Mapping[str, Callable[[Document, Provider], EventFacts | None]] = {
    "push": _push,
    "delete": _deleted,
    "pull_request": _pull_request,
    "release": _release,
    "merge_group": _merge_group,
    "issue_comment": _comment,
    "pull_request_review_comment": _comment,
}
