"""Extract from GitHub's published description of its webhooks the members that Quilate reads and its tests send.

The description (npm ``@octokit/openapi-webhooks``, MIT licence) has every member of every event; kept are the types of
those in ``_EVENTS``, and which of them GitHub always sends. The tests' own deliveries are judged by it without network:
what they send is of these types, has no other member and lacks none.

    npm pack @octokit/openapi-webhooks && tar xzf octokit-openapi-webhooks-*.tgz
    scripts/extract_webhook_schemas.py package/generated/api.github.com.json

The descriptions of the other forges hold no bodies of webhooks: GitLab's and Bitbucket's were written from their pages,
those of Gitea are judged by shapes written from its sources, ``tests/support/forge_servers/gitea_hooks.py``.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "tests" / "support" / "forge_servers" / "schemas" / "github-webhooks.json"
_KEPT = frozenset({"type", "enum", "const", "format", "items", "oneOf", "anyOf"})

Names = Mapping[str, Any]
"""Members by name, each with its own members, or none."""


def _plain(*names: str) -> Names:
    """Return members that have none of their own, or of which none is read."""
    return {name: {} for name in names}


_USER: Names = {"login": {}, "id": {}}
_REPOSITORY: Names = _plain("id", "name", "full_name", "clone_url", "default_branch", "pushed_at")
_SHARED: Names = {"action": {}, "repository": _REPOSITORY, "sender": _USER}
_SIDE: Names = {"ref": {}, "sha": {}, "repo": _REPOSITORY}
_PULL_REQUEST: Names = {
    **_SHARED,
    **_plain("number", "before", "after"),
    "pull_request": {**_plain("number", "state", "updated_at"), "head": _SIDE, "base": _SIDE},
}
_PUSH: Names = {
    **_SHARED,
    **_plain("ref", "before", "after", "created", "deleted", "forced", "base_ref", "compare"),
    "commits": {"id": {}},
    "head_commit": {"id": {}, "timestamp": {}},
    "pusher": {"name": {}, "email": {}},
}
_COMMENT: Names = {**_plain("id", "body", "author_association", "created_at"), "user": _USER}
_RELEASE: Names = {**_SHARED, "release": _plain("id", "tag_name", "draft", "prerelease")}
_GROUP: Names = {
    **_SHARED,
    "reason": {},
    "merge_group": {
        **_plain("head_sha", "head_ref", "base_sha", "base_ref"),
        "head_commit": {"id": {}, "timestamp": {}},
    },
}
_ISSUE: Names = {"number": {}, "pull_request": {"url": {}}}
_EVENTS: Mapping[str, Names] = {
    "push": _PUSH,
    "delete": {**_SHARED, "ref": {}, "ref_type": {}, "pusher_type": {}},
    "ping": {"zen": {}, "hook_id": {}, "repository": _REPOSITORY, "sender": _USER},
    **{f"pull-request-{action}": _PULL_REQUEST for action in ("opened", "synchronize", "closed")},
    "release-published": _RELEASE,
    **{f"merge-group-{action}": _GROUP for action in ("checks-requested", "destroyed")},
    "issue-comment-created": {**_SHARED, "issue": _ISSUE, "comment": _COMMENT},
    "pull-request-review-comment-created": {**_SHARED, "comment": _COMMENT, "pull_request": {"number": {}}},
}


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("description", type=Path, help="generated/api.github.com.json of the package")
    document = json.loads(parser.parse_args().description.read_bytes())
    extracted = {
        "source": "npm @octokit/openapi-webhooks, generated/api.github.com.json",
        "version": document["info"]["version"],
        "license": document["info"]["license"]["name"],
        "events": {name: _event(document, name, names) for name, names in _EVENTS.items()},
    }
    TARGET.write_text(json.dumps(extracted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _event(document: Mapping[str, Any], name: str, names: Names) -> dict[str, Any]:
    operation = document["webhooks"][name]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    return {"page": operation["externalDocs"]["url"], "schema": _reduced(document, schema, names)}


def _reduced(document: Mapping[str, Any], given: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """Return a schema with these members only, without references, prose and ``allOf``."""
    schema = _resolved(document, given)
    reduced = {key: value for key, value in schema.items() if key in _KEPT and key not in {"items", "oneOf", "anyOf"}}
    if "items" in schema:
        reduced["items"] = _reduced(document, schema["items"], names)
    for key in ("oneOf", "anyOf"):
        if key in schema:
            reduced[key] = [_reduced(document, each, names) for each in schema[key]]
    properties = schema.get("properties", {})
    if properties:
        kept = {name: _reduced(document, properties[name], names[name]) for name in names if name in properties}
        reduced["properties"] = kept
        reduced["required"] = sorted(set(schema.get("required", ())) & set(kept))
    return reduced


def _resolved(document: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema with its reference followed and the parts of ``allOf`` put together."""
    schema: dict[str, Any] = dict(given)
    while "$ref" in schema:
        schema = dict(document["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    for part in schema.pop("allOf", ()):
        schema = _merged(schema, _resolved(document, part))
    return schema


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Return what both say; where they differ in more than members, what the first says."""
    merged = {**second, **first}
    properties = dict(first.get("properties", {}))
    for name, schema in second.get("properties", {}).items():
        properties[name] = _merged(properties[name], schema) if name in properties else schema
    if properties:
        merged["properties"] = properties
        merged["required"] = sorted({*first.get("required", ()), *second.get("required", ())})
    return merged


if __name__ == "__main__":
    main()
