"""What a CI system tells its jobs about themselves, and the statement by which a job proves who it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from quilate.domain.errors import ConfigurationError

_LONGEST_EVENT_BYTES = 8 << 20
_TOKEN_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CiJob:
    """The job that this process is part of; everything is empty outside of CI.

    Attributes:
        provider: ``github``, ``gitlab``, ``bitbucket`` or empty.
        repository: Address that the repository is cloned from.
        commit: Commit that the job is about; of a pull request its own head, not the merge made for the job.
        branch: Branch of the commit.
        pull_request: Number of the pull or merge request.
        key: The same for every try of one job, so that a repeated submission is one run.
        summary: File whose Markdown the CI shows beside the job.
    """

    provider: str = ""
    repository: str = ""
    commit: str = ""
    branch: str = ""
    pull_request: int | None = None
    key: str = ""
    summary: Path | None = None


def detect_job(environment: Mapping[str, str]) -> CiJob:
    """Return the job that the variables of a CI describe."""
    if environment.get("GITHUB_ACTIONS") == "true":
        return _github(environment)
    if environment.get("GITLAB_CI") == "true":
        return _gitlab(environment)
    if environment.get("BITBUCKET_BUILD_NUMBER"):
        return _bitbucket(environment)
    return CiJob()


def _github(environment: Mapping[str, str]) -> CiJob:
    event = _event(environment.get("GITHUB_EVENT_PATH", ""))
    request = event.get("pull_request") if isinstance(event.get("pull_request"), dict) else None
    head = request.get("head", {}) if request else {}
    summary = environment.get("GITHUB_STEP_SUMMARY", "")
    names = ("GITHUB_RUN_ID", "GITHUB_RUN_ATTEMPT", "GITHUB_JOB")
    return CiJob(
        provider="github",
        repository=f"{environment.get('GITHUB_SERVER_URL', '')}/{environment.get('GITHUB_REPOSITORY', '')}.git",
        commit=str(head.get("sha") or environment.get("GITHUB_SHA", "")),
        branch=environment.get("GITHUB_HEAD_REF") or environment.get("GITHUB_REF_NAME", ""),
        pull_request=_number(request.get("number")) if request else None,
        key=_key("github", environment, names),
        summary=Path(summary) if summary else None,
    )


def _gitlab(environment: Mapping[str, str]) -> CiJob:
    request = environment.get("CI_MERGE_REQUEST_IID", "")
    return CiJob(
        provider="gitlab",
        repository=f"{environment.get('CI_PROJECT_URL', '')}.git",
        commit=environment.get("CI_COMMIT_SHA", ""),
        branch=environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME") or environment.get("CI_COMMIT_REF_NAME", ""),
        pull_request=_number(request),
        key=_key("gitlab", environment, ("CI_PIPELINE_ID", "CI_JOB_ID")),
    )


def _bitbucket(environment: Mapping[str, str]) -> CiJob:
    return CiJob(
        provider="bitbucket",
        repository=environment.get("BITBUCKET_GIT_HTTP_ORIGIN", "").replace("http://", "https://", 1),
        commit=environment.get("BITBUCKET_COMMIT", ""),
        branch=environment.get("BITBUCKET_BRANCH", ""),
        pull_request=_number(environment.get("BITBUCKET_PR_ID", "")),
        key=_key("bitbucket", environment, ("BITBUCKET_PIPELINE_UUID", "BITBUCKET_STEP_UUID")),
    )


def _key(provider: str, environment: Mapping[str, str], names: tuple[str, ...]) -> str:
    values = [environment.get(name, "") for name in names]
    return ":".join((provider, *values)) if all(values) else ""


def _number(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _event(path: str) -> Mapping[str, Any]:
    file = Path(path)
    if not path or not file.is_file() or file.stat().st_size > _LONGEST_EVENT_BYTES:
        return {}
    try:
        event = json.loads(file.read_bytes())
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}


def exchanged_token(url: str, project: str, environment: Mapping[str, str]) -> str:
    """Return a service's short-lived token for the identity of this job; empty where the CI gives it none.

    Raises:
        ConfigurationError: The CI was asked and gave none.
        ServiceError: The project does not trust this job.
    """
    statement = identity_token(environment, url.rstrip("/"))
    if not statement:
        return ""
    from quilate.client import Client  # noqa: PLC0415 - loads an HTTP client

    with Client(url) as client:
        return client.exchange_identity(project, statement)


def identity_token(environment: Mapping[str, str], audience: str) -> str:
    """Return the statement that the CI signs about this job; empty where it signs none.

    GitHub gives it on request, to jobs with the permission ``id-token: write``; GitLab puts it into the variable that
    ``id_tokens`` names, which is ``QUILATE_ID_TOKEN`` here.

    Raises:
        ConfigurationError: GitHub was asked and gave none.
    """
    given = environment.get("QUILATE_ID_TOKEN", "").strip()
    address = environment.get("ACTIONS_ID_TOKEN_REQUEST_URL", "")
    secret = environment.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "")
    if given or not (address and secret):
        return given
    import httpx  # noqa: PLC0415 - needed in jobs of GitHub only

    joint = "&" if "?" in address else "?"
    try:
        answer = httpx.get(
            f"{address}{joint}audience={quote(audience, safe='')}",
            headers={"Authorization": f"Bearer {secret}"},
            timeout=_TOKEN_SECONDS,
        ).raise_for_status()
        return str(answer.json()["value"])
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"GitHub gave no identity token: {type(error).__name__}",
            next_step="give the job `permissions: id-token: write`, or set QUILATE_TOKEN",
        ) from error
