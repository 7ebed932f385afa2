"""The workflows that the documentation offers do what they say: their commands run against a service (C03, D01)."""

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.live_service import live_service
from tests.support.projects import Outcome, lint_project, quilate, write_files
from tests.support.repositories import commit_all, git

EXAMPLES = Path(__file__).resolve().parents[3] / "examples" / "ci"


def commands(name: str) -> list[tuple[str, dict[str, str]]]:
    """Return the calls of quilate in an example with the variables of their job."""
    document: dict[Any, Any] = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    found = []
    for job in document.get("jobs", {"gate": document.get("gate")}).values():
        variables = job.get("env") or job.get("variables") or {}
        lines = [step["run"] for step in job.get("steps", []) if "run" in step] or job.get("script", [])
        found += [(line, variables) for line in lines if line.startswith("quilate ")]
    return found


def test_no_job_has_more_rights_than_it_needs() -> None:
    workflow = yaml.safe_load((EXAMPLES / "github.yml").read_text(encoding="utf-8"))

    assert workflow["permissions"] == {"contents": "read", "id-token": "write"}
    assert all("permissions" not in job for job in workflow["jobs"].values())


@pytest.mark.slow
def test_the_commands_of_the_examples_approve_what_is_clean(database_url: str, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", '"""A module."""\n')
    commit_all(project, "clean")
    commit = git(project, "rev-parse", "HEAD").decode().strip()
    with live_service(database_url, tmp_path / "state", local=True) as service, service.process("worker_main"):
        job = {
            "BITBUCKET_BUILD_NUMBER": "1",
            "BITBUCKET_GIT_HTTP_ORIGIN": str(project),
            "BITBUCKET_COMMIT": commit,
            "BITBUCKET_BRANCH": "main",
        }
        given = {"QUILATE_SERVER": service.url, "QUILATE_PROJECT": "sample"}
        run: list[Outcome] = []
        for line, variables in [*commands("github.yml"), *commands("gitlab.yml")]:
            assert set(variables) == set(given)
            words = shlex.split(line.replace("$QUILATE_SERVER", service.url).replace("$QUILATE_PROJECT", "sample"))
            if words[1] == "verify":
                public = next((tmp_path / "state" / "keys").glob("*.pub*"))
                write_files(tmp_path, {"quilate.pub": public.read_text(encoding="utf-8")})
                words = [*words[:-1], str(tmp_path / "quilate.pub"), "--allow-local"]
            if "--code-quality" in words:
                words[-1] = str(tmp_path / words[-1])
            run.append(quilate(project, *words[1:], timeout=120, **job, **given))

    assert [done.code for done in run] == [0, 0, 0], [done.output + done.errors for done in run]
    assert (tmp_path / "gl-code-quality-report.json").read_text(encoding="utf-8").strip() == "[]"
