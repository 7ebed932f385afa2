"""Deliveries in the shapes that providers document, signed as they sign.

The payloads are made here. GitHub's and Gitea's are judged by published shapes in
``tests/runs/triggers/providers/test_published.py``; those of GitLab and Bitbucket follow the providers' own pages.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

REPOSITORY = "acme/fraud"
ZERO = "0" * 40


def commit(number: int) -> str:
    """Return a commit id."""
    return hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A request to a hook; ``signed`` gives its headers."""

    provider: str
    event: str
    document: Mapping[str, Any]

    @property
    def body(self) -> bytes:
        return json.dumps(self.document).encode()

    def signed(self, secret: str, *, delivery: str = "", at: float | None = None) -> dict[str, str]:
        """Return the headers by the provider's own scheme."""
        return {
            "content-type": "application/json",
            **sign(self.provider, self.event, self.body, secret, delivery or str(uuid4()), at),
        }


def sign(  # noqa: PLR0913, PLR0917 - the parts of a signature
    provider: str, event: str, body: bytes, secret: str, delivery: str, at: float | None = None
) -> dict[str, str]:
    """Return the headers by which a provider signs a body."""
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    moment = str(int(time.time() if at is None else at))
    if provider == "github":
        return {"x-github-event": event, "x-github-delivery": delivery, "x-hub-signature-256": f"sha256={digest}"}
    if provider == "gitea":
        return {"x-gitea-event": event, "x-gitea-delivery": delivery, "x-gitea-signature": digest}
    if provider == "bitbucket":
        return {"x-event-key": event, "x-request-uuid": delivery, "x-hub-signature": f"sha256={digest}"}
    if provider == "gitlab":
        return {"x-gitlab-event": event, "idempotency-key": delivery, "x-gitlab-token": secret}
    signed = f"{delivery}.{moment}.".encode() + body
    if provider == "mlflow":
        value = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
        return {"x-mlflow-delivery-id": delivery, "x-mlflow-timestamp": moment, "x-mlflow-signature": f"v1,{value}"}
    key = base64.b64decode(secret.removeprefix("whsec_"))
    value = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {"webhook-id": delivery, "webhook-timestamp": moment, "webhook-signature": f"v1,{value}"}


def github_push(  # noqa: PLR0913 - what a test may choose
    branch: str = "main",
    *,
    after: str = "",
    before: str = ZERO,
    at: int | None = None,
    forced: bool = False,
    repository: str = REPOSITORY,
) -> Delivery:
    """Return a push to a branch; all zeros as ``after`` delete it."""
    judged = after or commit(1)
    document = {
        "ref": f"refs/heads/{branch}",
        "before": before,
        "after": judged,
        "created": before == ZERO,
        "deleted": judged == ZERO,
        "forced": forced,
        "base_ref": None,
        "compare": f"https://git.example/{repository}/compare",
        "commits": [],
        "head_commit": None if judged == ZERO else {"id": judged, "timestamp": "2026-11-20T10:00:00+01:00"},
        "repository": {**_github_repository(repository), "pushed_at": at if at is not None else int(time.time())},
        "pusher": {"name": "ann", "email": "ann@example.org"},
        "sender": {"login": "ann", "id": 7},
    }
    return Delivery(provider="github", event="push", document=document)


def github_tag(tag: str, judged: str) -> Delivery:
    """Return the push of an annotated tag: its own id differs from that of the commit."""
    document = {
        **github_push(after=judged).document,
        "ref": f"refs/tags/{tag}",
        "after": commit(990),
        "head_commit": {"id": judged, "timestamp": "2026-11-20T10:00:00Z"},
    }
    return Delivery(provider="github", event="push", document=document)


def github_pull_request(  # noqa: PLR0913 - what a test may choose
    action: str, *, number: int = 12, head: str = "", before: str = "", fork: bool = False, at: str = ""
) -> Delivery:
    """Return an event of a pull request."""
    repository = _github_repository(REPOSITORY)
    source = {**repository, "id": 9911, "full_name": "eve/fraud"} if fork else repository
    document = {
        "action": action,
        "number": number,
        **({"before": before or ZERO, "after": head or commit(2)} if before or action == "synchronize" else {}),
        "pull_request": {
            "number": number,
            "state": "closed" if action == "closed" else "open",
            "updated_at": at or "2026-11-20T10:00:00Z",
            "head": {"ref": "main" if fork else "feature", "sha": head or commit(2), "repo": source},
            "base": {"ref": "main", "sha": commit(1), "repo": repository},
        },
        "repository": repository,
        "sender": {"login": "eve" if fork else "ann", "id": 7},
    }
    return Delivery(provider="github", event="pull_request", document=document)


def github_merge_group(action: str = "checks_requested") -> Delivery:
    """Return an event of the merge queue."""
    document = {
        "action": action,
        "merge_group": {
            "head_sha": commit(3),
            "head_ref": "refs/heads/gh-readonly-queue/main/pr-12-abc",
            "base_sha": commit(1),
            "base_ref": "refs/heads/main",
            "head_commit": {"id": commit(3), "timestamp": "2026-11-20T10:00:00Z"},
        },
        "repository": _github_repository(REPOSITORY),
        "sender": {"login": "ann", "id": 7},
    }
    return Delivery(provider="github", event="merge_group", document=document)


def github_comment(text: str, association: str = "MEMBER") -> Delivery:
    """Return a comment on a pull request."""
    document = {
        "action": "created",
        "issue": {"number": 12, "pull_request": {"url": "https://api.github.test/pulls/12"}},
        "comment": {
            "id": 555,
            "body": text,
            "user": {"login": "ann", "id": 7},
            "author_association": association,
            "created_at": "2026-11-20T10:00:00Z",
        },
        "repository": _github_repository(REPOSITORY),
        "sender": {"login": "ann", "id": 7},
    }
    return Delivery(provider="github", event="issue_comment", document=document)


def _github_repository(name: str) -> dict[str, Any]:
    return {
        "id": 4711,
        "name": name.rpartition("/")[2],
        "full_name": name,
        "clone_url": f"https://git.example/{name}.git",
        "default_branch": "main",
        "pushed_at": "2026-11-20T10:00:00Z",
    }


def gitea_push(branch: str = "main", *, after: str = "") -> Delivery:
    """Return Gitea's event of a push: it does not tell of force, nor when it was."""
    judged = after or commit(1)
    document = {
        "ref": f"refs/heads/{branch}",
        "before": ZERO,
        "after": judged,
        "compare_url": f"https://git.example/{REPOSITORY}/compare",
        "commits": [],
        "total_commits": 0,
        "head_commit": {"id": judged, "timestamp": "2026-11-20T10:00:00+01:00"},
        "pusher": _GITEA_USER,
        "repository": _gitea_repository(),
        "sender": _GITEA_USER,
    }
    return Delivery(provider="gitea", event="push", document=document)


def gitea_pull_request(action: str = "synchronized") -> Delivery:
    """Return Gitea's event of a pull request, whose actions have names of their own."""
    repository = _gitea_repository()

    def side(branch: str, sha: str) -> dict[str, Any]:
        return {"label": branch, "ref": branch, "sha": sha, "repo_id": 4711, "repo": repository}

    document = {
        "action": action,
        "number": 12,
        "pull_request": {
            "number": 12,
            "state": "open",
            "updated_at": "2026-11-20T10:00:00Z",
            "head": side("feature", commit(2)),
            "base": side("main", commit(1)),
        },
        "commit_id": "",
        "repository": repository,
        "sender": _GITEA_USER,
    }
    return Delivery(provider="gitea", event="pull_request", document=document)


def gitea_comment(text: str) -> Delivery:
    """Return Gitea's event of a comment on a pull request."""
    document = {
        "action": "created",
        "issue": {"number": 12},
        "comment": {"id": 555, "body": text, "user": _GITEA_USER, "created_at": "2026-11-20T10:00:00Z"},
        "is_pull": True,
        "repository": _gitea_repository(),
        "sender": _GITEA_USER,
    }
    return Delivery(provider="gitea", event="issue_comment", document=document)


_GITEA_USER = {"id": 7, "login": "ann"}


def _gitea_repository() -> dict[str, Any]:
    return {name: value for name, value in _github_repository(REPOSITORY).items() if name != "pushed_at"}


def _gitlab_project() -> dict[str, Any]:
    return {"id": 15, "path_with_namespace": REPOSITORY, "git_http_url": f"https://git.example/{REPOSITORY}.git"}


def gitlab_push(branch: str = "main", *, after: str = "", before: str = ZERO) -> Delivery:
    """Return GitLab's event of a push."""
    document: dict[str, Any] = {
        "object_kind": "push",
        "event_name": "push",
        "before": before,
        "after": after or commit(1),
        "ref": f"refs/heads/{branch}",
        "checkout_sha": None if after == ZERO else after or commit(1),
        "user_username": "ann",
        "project_id": 15,
        "project": _gitlab_project(),
        "commits": [],
    }
    return Delivery(provider="gitlab", event="Push Hook", document=document)


def gitlab_merge_request(action: str, *, oldrev: str = "", fork: bool = False) -> Delivery:
    """Return GitLab's event of a merge request; ``oldrev`` is there when there are new commits."""
    document = {
        "object_kind": "merge_request",
        "event_type": "merge_request",
        "user": {"id": 1, "username": "ann"},
        "project": _gitlab_project(),
        "object_attributes": {
            "id": 99,
            "iid": 12,
            "action": action,
            "source_branch": "feature",
            "target_branch": "main",
            "source_project_id": 77 if fork else 15,
            "target_project_id": 15,
            "updated_at": "2026-11-20 10:00:00 UTC",
            "last_commit": {"id": commit(2), "timestamp": "2026-11-20T10:00:00+00:00"},
            **({"oldrev": oldrev} if oldrev else {}),
        },
    }
    return Delivery(provider="gitlab", event="Merge Request Hook", document=document)


def gitlab_comment(text: str) -> Delivery:
    """Return GitLab's event of a comment on a merge request."""
    document = {
        "object_kind": "note",
        "event_type": "note",
        "user": {"id": 1, "username": "ann"},
        "project_id": 15,
        "project": _gitlab_project(),
        "object_attributes": {
            "id": 1244,
            "note": text,
            "noteable_type": "MergeRequest",
            "action": "create",
            "created_at": "2026-11-20 10:00:00 UTC",
        },
        "merge_request": {"id": 99, "iid": 12},
    }
    return Delivery(provider="gitlab", event="Note Hook", document=document)


def bitbucket_push(*changes: Mapping[str, Any]) -> Delivery:
    """Return Bitbucket's event of a push with its changes."""
    document = {
        "actor": {"nickname": "ann", "account_id": "1:2"},
        "repository": _bitbucket_repository("{11}", REPOSITORY),
        "push": {"changes": list(changes)},
    }
    return Delivery(provider="bitbucket", event="repo:push", document=document)


def bitbucket_change(name: str, new: str, old: str = "", kind: str = "branch") -> dict[str, Any]:
    """Return one change of a push; empty for there is none."""

    def side(value: str) -> dict[str, Any] | None:
        return {"type": kind, "name": name, "target": {"type": "commit", "hash": value}} if value else None

    return {"new": side(new), "old": side(old), "created": not old, "closed": not new, "forced": False}


def bitbucket_pull_request(event: str = "created", *, fork: bool = False) -> Delivery:
    """Return Bitbucket's event of a pull request: its commits are abbreviated."""
    own = _bitbucket_repository("{11}", REPOSITORY)
    document = {
        "actor": {"nickname": "ann"},
        "repository": own,
        "pullrequest": {
            "id": 12,
            "state": "OPEN",
            "updated_on": "2026-11-20T10:00:00.000000+00:00",
            "source": {
                "branch": {"name": "feature"},
                "commit": {"hash": commit(2)[:12]},
                "repository": _bitbucket_repository("{22}", "eve/fraud") if fork else own,
            },
            "destination": {"branch": {"name": "main"}, "commit": {"hash": commit(1)[:12]}, "repository": own},
        },
    }
    return Delivery(provider="bitbucket", event=f"pullrequest:{event}", document=document)


def bitbucket_comment(text: str, account: str = "557058:ann") -> Delivery:
    """Return Bitbucket's event of a comment on a pull request; nicknames there are nobody's own."""
    actor = {"nickname": "ann", "account_id": account, "uuid": "{7}"}
    document = {
        "actor": actor,
        "repository": _bitbucket_repository("{11}", REPOSITORY),
        "pullrequest": {"id": 12},
        "comment": {
            "id": 17,
            "content": {"raw": text},
            "user": actor,
            "created_on": "2026-11-20T10:00:00.000000+00:00",
        },
    }
    return Delivery(provider="bitbucket", event="pullrequest:comment_created", document=document)


def _bitbucket_repository(uuid: str, name: str) -> dict[str, Any]:
    return {"uuid": uuid, "full_name": name, "links": {"html": {"href": f"https://git.example/{name}"}}}


def mlflow_version(name: str = "churn", version: str = "3") -> Delivery:
    """Return the registry's event of a new model version."""
    document = {
        "entity": "model_version",
        "action": "created",
        "timestamp": "2026-11-20T10:00:00.000000+00:00",
        "data": {"name": name, "version": version, "source": "models:/m-1", "run_id": "r1", "tags": {}},
    }
    return Delivery(provider="mlflow", event="", document=document)
