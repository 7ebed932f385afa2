"""GitLab's deliveries.

Source: GitLab, "Webhook events". The object's kind says what it is; ``X-Gitlab-Event`` says the same in other words.
"""

from collections.abc import Callable, Mapping
from typing import Any

from quilate.runs.triggers.model import EventFacts, EventKind, Provider
from quilate.runs.triggers.providers.payload import (
    LONGEST_COMMENT,
    Reading,
    branch_of,
    commit,
    inner,
    moment,
    number,
    subject_key,
    tag_of,
    text,
)

Document = Mapping[str, Any]

_ACTIONS = {"open": "opened", "reopen": "reopened", "close": "closed", "merge": "closed"}


def read(headers: Mapping[str, str], document: Document) -> Reading:
    """Return what a delivery says."""
    del headers
    kind = text(document, "object_kind", most=64) or text(document, "event_name", most=64)
    reader = _READERS.get(kind)
    facts = reader(document) if reader is not None else None
    if facts is not None:
        return (facts,)
    common = _common(document, kind)
    return (EventFacts(**common, kind=EventKind.OTHER, order_key=subject_key(common["repository"], kind)),)


def _common(document: Document, kind: str) -> dict[str, Any]:
    return {
        "provider": Provider.GITLAB.value,
        "type": kind,
        "repository": text(document, "project", "path_with_namespace"),
        "repository_id": text(document, "project", "id") or text(document, "project_id"),
        "clone_url": text(document, "project", "git_http_url"),
        "sender": text(document, "user", "username") or text(document, "user_username"),
    }


def _push(document: Document) -> EventFacts | None:
    common = _common(document, "push")
    reference = text(document, "ref")
    branch = branch_of(reference)
    if not branch:
        return None
    key = subject_key(common["repository"], reference)
    before, after = commit(document, "before"), commit(document, "after")
    if not after:
        return EventFacts(
            **common, action="deleted", kind=EventKind.BRANCH_DELETED, order_key=key, branch=branch, before=before
        )
    return EventFacts(
        **common,
        action="pushed" if before else "created",
        kind=EventKind.PUSH,
        order_key=key,
        branch=branch,
        commit=after,
        before=before,
    )


def _tag(document: Document) -> EventFacts | None:
    common = _common(document, "tag_push")
    reference = text(document, "ref")
    tag = tag_of(reference)
    if not tag:
        return None
    key = subject_key(common["repository"], reference)
    if not commit(document, "after"):
        return EventFacts(**common, action="deleted", kind=EventKind.OTHER, order_key=key, tag=tag)
    # ``after`` of an annotated tag is the tag's own id; ``checkout_sha`` is the commit.
    judged = commit(document, "checkout_sha") or commit(document, "after")
    return EventFacts(**common, action="pushed", kind=EventKind.TAG, order_key=key, tag=tag, commit=judged)


def _merge_request(document: Document) -> EventFacts | None:
    request = inner(document, "object_attributes")
    place = number(request, "iid")
    if place is None:
        return None
    common = _common(document, "merge_request")
    action = text(request, "action", most=64)
    before = commit(request, "oldrev")
    if action == "update":
        # Without new commits it is the title, a label or something like them that changed.
        action = "updated" if before else "edited"
    return EventFacts(
        **common,
        action=_ACTIONS.get(action, action),
        kind=EventKind.PULL_REQUEST,
        order_key=subject_key(common["repository"], f"pull/{place}"),
        pull_request=place,
        commit=commit(request, "last_commit", "id"),
        before=before,
        branch=text(request, "source_branch"),
        base_branch=text(request, "target_branch"),
        from_fork=text(request, "source_project_id") != text(request, "target_project_id"),
        occurred_at=moment(request, "updated_at"),
    )


def _release(document: Document) -> EventFacts | None:
    tag = text(document, "tag")
    if not tag:
        return None
    common = _common(document, "release")
    actions = {"create": "published", "update": "edited", "delete": "deleted"}
    action = text(document, "action", most=64)
    return EventFacts(
        **common,
        action=actions.get(action, action),
        kind=EventKind.RELEASE,
        order_key=subject_key(common["repository"], f"release/{tag}"),
        tag=tag,
        commit=commit(document, "commit", "id"),
    )


def _note(document: Document) -> EventFacts | None:
    note = inner(document, "object_attributes")
    of_request = text(note, "noteable_type") == "MergeRequest"
    place = number(document, "merge_request" if of_request else "issue", "iid")
    if place is None:
        return None
    common = _common(document, "note")
    subject = f"{'pull' if of_request else 'issue'}/{place}"
    return EventFacts(
        **common,
        action={"create": "created", "update": "edited"}.get(text(note, "action"), "created"),
        kind=EventKind.COMMENT,
        order_key=subject_key(common["repository"], subject),
        subject=subject,
        pull_request=place if of_request else None,
        text=text(note, "note", most=LONGEST_COMMENT),
        comment_id=text(note, "id"),
        occurred_at=moment(note, "created_at"),
    )


_READERS: Mapping[str, Callable[[Document], EventFacts | None]] = {
    "push": _push,
    "tag_push": _tag,
    "merge_request": _merge_request,
    "release": _release,
    "note": _note,
}
