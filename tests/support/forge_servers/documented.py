"""Shapes of the requests to GitLab and Bitbucket, written from their documentation, each with its page."""

from collections.abc import Mapping
from typing import Any

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}


def _members(required: list[str], properties: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": dict(properties)}


_STATUS = _members(
    ["state"],
    {
        "state": {"enum": ["pending", "running", "success", "failed", "canceled", "skipped"]},
        "name": _TEXT,
        "ref": _TEXT,
        "target_url": {"type": "string", "format": "uri", "maxLength": 255},
        "description": {"type": "string", "maxLength": 255},
        "coverage": {"type": "number"},
        "pipeline_id": {"type": "integer"},
    },
)
_NOTE = _members(["body"], {"body": {"type": "string", "minLength": 1, "maxLength": 1_000_000}})
_BUILD = _members(
    ["key", "state", "url"],
    {
        "key": {"type": "string", "minLength": 1, "maxLength": 40},
        "state": {"enum": ["INPROGRESS", "SUCCESSFUL", "FAILED", "STOPPED"]},
        "url": {"type": "string", "format": "uri"},
        "name": {"type": "string", "maxLength": 255},
        "description": {"type": "string", "maxLength": 255},
        "refname": {"type": "string"},
    },
)
_DATA = _members(
    ["title", "value"],
    {
        "title": {"type": "string", "maxLength": 450},
        "type": {"enum": ["BOOLEAN", "DATE", "DURATION", "LINK", "NUMBER", "PERCENTAGE", "TEXT"]},
        "value": {"type": ["string", "number", "boolean", "object"]},
    },
)
_REPORT = _members(
    ["title", "details", "report_type"],
    {
        "title": {"type": "string", "minLength": 1, "maxLength": 450},
        "details": {"type": "string", "minLength": 1, "maxLength": 2_000},
        "report_type": {"enum": ["SECURITY", "COVERAGE", "TEST", "BUG"]},
        "reporter": {"type": "string", "maxLength": 450},
        "link": {"type": "string", "format": "uri"},
        "remote_link_enabled": {"type": "boolean"},
        "logo_url": {"type": "string", "format": "uri"},
        "result": {"enum": ["PASSED", "FAILED", "PENDING"]},
        "data": {"type": "array", "maxItems": 10, "items": _DATA},
    },
)
_ANNOTATION = _members(
    ["external_id", "annotation_type", "summary"],
    {
        "external_id": {"type": "string", "minLength": 1, "maxLength": 450},
        "annotation_type": {"enum": ["VULNERABILITY", "CODE_SMELL", "BUG"]},
        "path": {"type": "string", "minLength": 1},
        "line": {"type": "integer", "minimum": 1},
        "summary": {"type": "string", "minLength": 1, "maxLength": 450},
        "details": {"type": "string", "maxLength": 2_000},
        "result": {"enum": ["PASSED", "FAILED", "SKIPPED", "IGNORED"]},
        "severity": {"enum": ["CRITICAL", "HIGH", "MEDIUM", "LOW"]},
        "link": {"type": "string", "format": "uri"},
    },
)
_CONTENT = _members(["raw"], {"raw": {"type": "string", "minLength": 1}})
_COMMENT = _members(["content"], {"content": _CONTENT})

_GITLAB = "https://docs.gitlab.com/api"
_BITBUCKET = "https://developer.atlassian.com/cloud/bitbucket/rest"
_COMMIT = "/repositories/{workspace}/{repo_slug}/commit/{commit}"
_REQUEST = "/repositories/{workspace}/{repo_slug}/pullrequests/{pull_request_id}"

DOCUMENTED: dict[str, dict[str, dict[str, Any]]] = {
    "gitlab": {
        "POST /projects/{id}/statuses/{sha}": {
            "page": f"{_GITLAB}/commits/#set-commit-pipeline-status",
            "schema": _STATUS,
        },
        "POST /projects/{id}/merge_requests/{merge_request_iid}/notes": {
            "page": f"{_GITLAB}/notes/#create-new-merge-request-note",
            "schema": _NOTE,
        },
        "PUT /projects/{id}/merge_requests/{merge_request_iid}/notes/{note_id}": {
            "page": f"{_GITLAB}/notes/#modify-existing-merge-request-note",
            "schema": _NOTE,
        },
    },
    "bitbucket": {
        f"POST {_COMMIT}/statuses/build": {
            "page": f"{_BITBUCKET}/api-group-commit-statuses/",
            "schema": _BUILD,
        },
        f"PUT {_COMMIT}/reports/{{reportId}}": {
            "page": f"{_BITBUCKET}/api-group-reports/",
            "schema": _REPORT,
        },
        f"POST {_COMMIT}/reports/{{reportId}}/annotations": {
            "page": f"{_BITBUCKET}/api-group-reports/",
            "schema": {"type": "array", "minItems": 1, "maxItems": 100, "items": _ANNOTATION},
        },
        f"POST {_REQUEST}/comments": {"page": f"{_BITBUCKET}/api-group-pullrequests/", "schema": _COMMENT},
        f"PUT {_REQUEST}/comments/{{comment_id}}": {
            "page": f"{_BITBUCKET}/api-group-pullrequests/",
            "schema": _COMMENT,
        },
    },
}
