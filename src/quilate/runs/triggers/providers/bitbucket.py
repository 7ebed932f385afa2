"""Bitbucket's deliveries; one push may move several branches, each of which is an event.

Source: Bitbucket Cloud, "Event payloads". Pull requests carry abbreviated commits, and what a fork proposes is in the
fork alone.
"""

from collections.abc import Mapping
from typing import Any

from quilate.runs.triggers.model import EventFacts, EventKind, Provider
from quilate.runs.triggers.providers.payload import (
    LONGEST_COMMENT,
    Ping,
    Reading,
    commit,
    flag,
    inner,
    listed,
    moment,
    number,
    subject_key,
    text,
)

Document = Mapping[str, Any]

_MOST_CHANGES = 100
_ACTIONS = {"created": "opened", "fulfilled": "closed", "rejected": "closed"}


def read(headers: Mapping[str, str], document: Document) -> Reading:
    """Return what a delivery says."""
    event = headers.get("x-event-key", "")[:64]
    if event == "diagnostics:ping":
        return Ping()
    if event == "repo:push":
        changes = [_change(document, change) for change in listed(inner(document, "push"), "changes")[:_MOST_CHANGES]]
        if changes:
            return tuple(changes)
    facts = None
    if event.startswith("pullrequest:comment_"):
        facts = _comment(event, document)
    elif event.startswith("pullrequest:"):
        facts = _pull_request(event, document)
    if facts is not None:
        return (facts,)
    common = _common(document, event)
    return (EventFacts(**common, kind=EventKind.OTHER, order_key=subject_key(common["repository"], event)),)


def _common(document: Document, event: str) -> dict[str, Any]:
    return {
        "provider": Provider.BITBUCKET.value,
        "type": event,
        "repository": text(document, "repository", "full_name"),
        "repository_id": text(document, "repository", "uuid"),
        "clone_url": _clone_url(inner(document, "repository")),
        "sender": text(document, "actor", "nickname") or text(document, "actor", "account_id"),
    }


def _clone_url(repository: Document) -> str:
    page = text(repository, "links", "html", "href")
    return f"{page}.git" if page else ""


def _change(document: Document, change: Document) -> EventFacts:
    common = _common(document, "repo:push")
    new, old = inner(change, "new"), inner(change, "old")
    is_tag = text(new or old, "type") == "tag"
    name = text(new or old, "name")
    shared = {
        **common,
        "order_key": subject_key(common["repository"], f"refs/{'tags' if is_tag else 'heads'}/{name}"),
        "before": commit(old, "target", "hash"),
        "tag" if is_tag else "branch": name,
    }
    judged = commit(new, "target", "hash")
    if not judged:
        kind = EventKind.OTHER if is_tag else EventKind.BRANCH_DELETED
        return EventFacts(**shared, action="deleted", kind=kind)
    if is_tag:
        return EventFacts(**shared, action="pushed", kind=EventKind.TAG, commit=judged)
    action = "created" if flag(change, "created") else "pushed"
    return EventFacts(**shared, action=action, kind=EventKind.PUSH, commit=judged, forced=flag(change, "forced"))


def _pull_request(event: str, document: Document) -> EventFacts | None:
    request = inner(document, "pullrequest")
    place = number(request, "id")
    if place is None:
        return None
    common = _common(document, event)
    action = event.removeprefix("pullrequest:")
    head, base = inner(request, "source"), inner(request, "destination")
    from_fork = text(head, "repository", "uuid") != text(base, "repository", "uuid")
    return EventFacts(
        **common,
        action=_ACTIONS.get(action, action),
        kind=EventKind.PULL_REQUEST,
        order_key=subject_key(common["repository"], f"pull/{place}"),
        pull_request=place,
        commit=commit(head, "commit", "hash"),
        branch=text(head, "branch", "name"),
        base_branch=text(base, "branch", "name"),
        base_commit=commit(base, "commit", "hash"),
        from_fork=from_fork,
        fork_url=_clone_url(inner(head, "repository")) if from_fork else "",
        occurred_at=moment(request, "updated_on"),
    )


def _comment(event: str, document: Document) -> EventFacts | None:
    place = number(document, "pullrequest", "id")
    if place is None:
        return None
    comment = inner(document, "comment")
    # A nickname is nobody's own; what somebody may do is asked by the account.
    writer = next(filter(None, (text(comment, "user", name) for name in ("account_id", "uuid"))), "")
    common = {**_common(document, event), "sender": writer}
    return EventFacts(
        **common,
        action={"updated": "edited"}.get(event.rpartition("_")[2], event.rpartition("_")[2]),
        kind=EventKind.COMMENT,
        order_key=subject_key(common["repository"], f"pull/{place}"),
        subject=f"pull/{place}",
        pull_request=place,
        text=text(comment, "content", "raw", most=LONGEST_COMMENT),
        comment_id=text(comment, "id"),
        occurred_at=moment(comment, "created_on"),
    )
