"""Shapes of Gitea's deliveries, written from its sources: its published Swagger has the parts, but no bodies of hooks.

Source: https://github.com/go-gitea/gitea/blob/main/modules/structs/hook.go (the payloads), ``pull.go``, ``repo.go``,
``user.go``, ``release.go`` and ``issue_comment.go`` beside it. Kept are the members that Quilate
reads or its tests send.
"""

from typing import Any

PAGE = "https://github.com/go-gitea/gitea/blob/main/modules/structs/hook.go"
_TEXT = {"type": "string"}
_WHOLE = {"type": "integer"}
_FLAG = {"type": "boolean"}
_TIME = {"type": "string", "format": "date-time"}


def _members(**properties: Any) -> dict[str, Any]:
    """Return an object: Go writes every member, so that all are there."""
    return {"type": "object", "required": sorted(properties), "properties": properties, "additionalProperties": False}


_USER = _members(id=_WHOLE, login=_TEXT)
_REPOSITORY = _members(id=_WHOLE, name=_TEXT, full_name=_TEXT, clone_url=_TEXT, default_branch=_TEXT)
_SHARED = {"repository": _REPOSITORY, "sender": _USER}
_COMMIT = _members(id=_TEXT, timestamp=_TIME)
_BRANCH = _members(label=_TEXT, ref=_TEXT, sha=_TEXT, repo_id=_WHOLE, repo={**_REPOSITORY, "type": ["object", "null"]})
_ISSUE_ACTIONS = (
    *("opened", "closed", "reopened", "edited", "assigned", "unassigned", "label_updated", "label_cleared"),
    *("synchronized", "milestoned", "demilestoned", "reviewed", "review_requested", "review_request_removed"),
)

GITEA_HOOKS: dict[str, dict[str, Any]] = {
    "push": _members(
        ref=_TEXT,
        before=_TEXT,
        after=_TEXT,
        compare_url=_TEXT,
        commits={"type": "array", "items": _COMMIT},
        total_commits=_WHOLE,
        head_commit={**_COMMIT, "type": ["object", "null"]},
        pusher=_USER,
        **_SHARED,
    ),
    "delete": _members(ref=_TEXT, ref_type={"enum": ["branch", "tag"]}, pusher_type={"enum": ["user"]}, **_SHARED),
    "pull_request": _members(
        action={"enum": list(_ISSUE_ACTIONS)},
        number=_WHOLE,
        pull_request=_members(
            number=_WHOLE, state={"enum": ["open", "closed"]}, updated_at=_TIME, head=_BRANCH, base=_BRANCH
        ),
        commit_id=_TEXT,
        **_SHARED,
    ),
    "issue_comment": _members(
        action={"enum": ["created", "edited", "deleted"]},
        issue=_members(number=_WHOLE),
        comment=_members(id=_WHOLE, body=_TEXT, user=_USER, created_at=_TIME),
        is_pull=_FLAG,
        **_SHARED,
    ),
    "release": _members(
        action={"enum": ["published", "updated", "deleted"]},
        release=_members(id=_WHOLE, tag_name=_TEXT, draft=_FLAG, prerelease=_FLAG),
        **_SHARED,
    ),
}
"""By the header ``X-Gitea-Event``, which names a comment in a request like one in an issue."""
