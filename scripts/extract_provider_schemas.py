"""Extract the shapes of the requests that forge connectors send from the descriptions that the providers publish.

Only the schemas of request bodies that are used are kept, without their prose, so that tests need no network. The
descriptions of GitHub, Gitea and Forgejo are under the MIT licence; those of GitLab and Bitbucket are not, so their
shapes are written from their documentation in ``tests/support/forge_servers/documented.py``.

    npm pack @octokit/openapi && tar xzf octokit-openapi-*.tgz
    scripts/extract_provider_schemas.py github package/generated/api.github.com.deref.json    # github-issues too
    scripts/extract_provider_schemas.py gitea swagger.v1.json    # of a running server: /swagger.v1.json
    scripts/extract_provider_schemas.py forgejo swagger.v1.json
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "tests" / "support" / "forge_servers" / "schemas"
_PROSE = frozenset({"description", "example", "examples", "externalDocs", "title", "x-go-name", "x-go-package"})
_GITEA = (
    ("post", "/repos/{owner}/{repo}/statuses/{sha}"),
    ("post", "/repos/{owner}/{repo}/issues/{index}/comments"),
    ("patch", "/repos/{owner}/{repo}/issues/comments/{id}"),
)
_OPERATIONS = {
    "github": (
        ("post", "/repos/{owner}/{repo}/statuses/{sha}"),
        ("post", "/repos/{owner}/{repo}/check-runs"),
        ("patch", "/repos/{owner}/{repo}/check-runs/{check_run_id}"),
        ("post", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
        ("patch", "/repos/{owner}/{repo}/issues/comments/{comment_id}"),
        ("post", "/repos/{owner}/{repo}/code-scanning/sarifs"),
        ("post", "/app/installations/{installation_id}/access_tokens"),
    ),
    "github-issues": (
        ("post", "/repos/{owner}/{repo}/issues"),
        ("patch", "/repos/{owner}/{repo}/issues/{issue_number}"),
        ("post", "/repos/{owner}/{repo}/issues/{issue_number}/comments"),
    ),
    "gitea": _GITEA,
    "forgejo": _GITEA,
}
_SOURCES = {
    "github": ("npm @octokit/openapi, generated/api.github.com.deref.json", ""),
    "github-issues": ("npm @octokit/openapi, generated/api.github.com.deref.json", ""),
    "gitea": ("swagger.v1.json, as Gitea serves it", "https://docs.gitea.com/api"),
    "forgejo": ("swagger.v1.json, as Forgejo serves it", "https://codeberg.org/api/swagger"),
}


def main() -> None:
    """Write one provider's file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("provider", choices=sorted(_OPERATIONS))
    parser.add_argument("description", type=Path, help="The provider's published description, as JSON")
    given = parser.parse_args()
    document = json.loads(given.description.read_bytes())
    name, page = _SOURCES[given.provider]
    extracted = {
        "source": name,
        "version": document["info"]["version"],
        "license": document["info"]["license"]["name"],
        "operations": {
            f"{method.upper()} {path}": _operation(document, document["paths"][path][method], page)
            for method, path in _OPERATIONS[given.provider]
        },
    }
    TARGET.mkdir(parents=True, exist_ok=True)
    target = TARGET / f"{given.provider}.json"
    target.write_text(json.dumps(extracted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _operation(document: Mapping[str, Any], operation: Mapping[str, Any], page: str) -> dict[str, Any]:
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
    else:
        schema = next(each["schema"] for each in operation["parameters"] if each["in"] == "body")
    return {
        "page": operation.get("externalDocs", {}).get("url", page),
        "successes": sorted(int(status) for status in operation["responses"] if status.startswith("2")),
        "schema": _kept(document, schema),
    }


def _kept(document: Mapping[str, Any], schema: Any, *, names: bool = False) -> Any:
    """Return a schema as JSON Schema without prose and references; ``names``: its keys are those of members."""
    if isinstance(schema, list):
        return [_kept(document, each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema and not names:
        return _kept(document, document["definitions"][schema["$ref"].rpartition("/")[2]])
    kept = {
        key: _kept(document, value, names=key == "properties" and not names)
        for key, value in schema.items()
        if names or (key not in _PROSE and key != "nullable" and not key.startswith("x-"))
    }
    if schema.get("nullable") and not names and isinstance(kept.get("type"), str):
        kept["type"] = [kept["type"], "null"]
    return kept


if __name__ == "__main__":
    main()
