"""The single questions of ``quilate doctor``."""

import platform
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from quilate import __version__
from quilate.app.plugins import installed_plugins
from quilate.blueprints.model import Plan
from quilate.blueprints.project_file import find_projects, load_project
from quilate.checks.context import find_interpreter
from quilate.checks.registry import check_types
from quilate.checks.tools import find_tool
from quilate.domain.errors import ConfigurationErrors, EvidenceError, QuilateError, ToolMissingError
from quilate.kit.words import counted
from quilate.runs.canaries import run_canary
from quilate.runs.session import RunOptions, plan_of
from quilate.runs.store import RunDirectory
from quilate.runs.subject import git_state
from quilate.seals.keys import describe_key

_LITTLE_DISK = 1 << 30


class Health(StrEnum):
    """How one thing stands."""

    GOOD = "good"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One thing that was looked at, and what to do about it."""

    health: Health
    text: str
    fix: str = ""


def diagnose(path: Path, *, service_only: bool = False) -> Iterator[Diagnosis]:
    """Yield everything that matters for a run at ``path``; of a directory of the service alone only the program."""
    yield Diagnosis(health=Health.GOOD, text=f"python {platform.python_version()}, quilate {__version__}")
    if service_only:
        yield from _plugins()
        return
    yield _git(path)
    yield _disk(path)
    yield _key()
    yield from _plugins()
    try:
        projects = [load_project(root) for root in find_projects(path)]
    except QuilateError as error:
        yield from _problems(error)
        return
    for project in projects:
        try:
            plan = plan_of(project, RunOptions())
        except QuilateError as error:
            yield from _problems(error)
            continue
        what = "detected, no quilate.yaml" if project.detected else "quilate.yaml"
        checks = f"{counted(len(plan.checks), 'check')} of {project.blueprint}"
        yield Diagnosis(
            health=Health.WARNING if project.detected else Health.GOOD,
            text=f"project {project.project} ({what}): {checks}",
            fix="quilate init" if project.detected else "",
        )
        yield from _of_plan(plan)


def _problems(error: QuilateError) -> Iterator[Diagnosis]:
    for each in error.errors if isinstance(error, ConfigurationErrors) else (error,):
        yield Diagnosis(health=Health.PROBLEM, text=str(each), fix=each.next_step or "quilate plan")


def canary_findings() -> Iterator[Diagnosis]:
    """Yield for every check type whether it goes red on its canary."""
    for check_type in check_types():
        result = run_canary(check_type, sys.executable)
        if result.red:
            yield Diagnosis(health=Health.GOOD, text=f"{check_type}  {result.message}")
        else:
            yield Diagnosis(health=Health.PROBLEM, text=f"{check_type}  {result.message}", fix=result.missing_tool)


def _plugins() -> Iterator[Diagnosis]:
    plugins = installed_plugins()
    for each in plugins:
        if each.fault:
            text = f"plugin {each.distribution}: {each.kind} {each.name}: {each.fault}"
            yield Diagnosis(health=Health.WARNING, text=text, fix="update or remove the package; quilate plugin list")
    sound = sum(not each.fault for each in plugins)
    if sound:
        yield Diagnosis(health=Health.GOOD, text=f"plugins: {counted(sound, 'part')} of other packages")


def _git(path: Path) -> Diagnosis:
    if shutil.which("git") is None:
        return Diagnosis(health=Health.WARNING, text="git is not installed", fix="install git: runs name the revision")
    revision, branch, dirty = git_state(path)
    if not revision:
        return Diagnosis(
            health=Health.WARNING, text="no git revision here", fix="git init and commit: seals then name the revision"
        )
    return Diagnosis(health=Health.GOOD, text=f"git {branch or 'detached'}@{revision[:7]}{' +dirty' if dirty else ''}")


def _disk(path: Path) -> Diagnosis:
    free = shutil.disk_usage(path).free
    text = f"{free >> 30} GiB free for {RunDirectory(path).path}"
    if free < _LITTLE_DISK:
        return Diagnosis(health=Health.PROBLEM, text=text, fix="make room: runs and their cache need up to 1 GiB")
    return Diagnosis(health=Health.GOOD, text=text)


def _key() -> Diagnosis:
    try:
        described = describe_key()
    except QuilateError as error:
        return Diagnosis(health=Health.PROBLEM, text=f"signing key: {error}", fix=error.next_step)
    if not described:
        text = "signing key: none yet, the first run makes one"
        return Diagnosis(health=Health.WARNING, text=text, fix="quilate keys init")
    return Diagnosis(health=Health.GOOD, text=f"signing key {described}")


def _of_plan(plan: Plan) -> Iterator[Diagnosis]:
    for check in plan.checks:
        if check.binding_error is not None:
            error = check.binding_error
            yield Diagnosis(health=Health.PROBLEM, text=str(error), fix=error.next_step)
    if any(check.inputs.interpreter for check in plan.checks):
        try:
            found = find_interpreter(Path(plan.project.root), plan.project.interpreter)
            yield Diagnosis(health=Health.GOOD, text=f"interpreter of the project: {found}")
        except EvidenceError as error:
            yield Diagnosis(health=Health.PROBLEM, text=error.message, fix=error.next_step)
    for tool in {tool.name: tool for check in plan.checks for tool in check.inputs.tools}.values():
        try:
            yield Diagnosis(health=Health.GOOD, text=f"{tool.name}: {find_tool(tool)}")
        except ToolMissingError as error:
            yield Diagnosis(health=Health.PROBLEM, text=error.message, fix=tool.install)
