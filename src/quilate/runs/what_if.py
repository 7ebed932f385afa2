"""What a plan would make of runs that are over, and of what is cached: nothing runs."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from quilate.blueprints.model import Plan
from quilate.blueprints.replay import under_plan
from quilate.domain.errors import QuilateError
from quilate.domain.ids import CheckId
from quilate.domain.verdict import Verdict
from quilate.policy.decision import decide, input_from_bytes
from quilate.runs.cache import ResultCache
from quilate.runs.files import FileIndex, list_workspace
from quilate.runs.fingerprint import Fingerprints
from quilate.runs.record import load_run
from quilate.runs.store import RunDirectory

REPLAYED_RUNS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedRun:
    """A stored run decided again under a plan. ``unmeasured`` are checks of the plan that the run did not have."""

    run: int
    before: Verdict
    after: Verdict
    unmeasured: tuple[CheckId, ...]


def replay_last_runs(plan: Plan) -> tuple[ReplayedRun, ...]:
    """Decide the last stored runs again under ``plan``: its policies, thresholds and required checks, their evidence.

    What a run did not measure stays unknown; damaged records are left out.
    """
    directory = RunDirectory(Path(plan.project.root))
    replayed = []
    for number in directory.numbers()[-REPLAYED_RUNS:]:
        try:
            saved = load_run(directory, str(number))
            if saved.record.partial:
                continue
            given = input_from_bytes(saved.decision_input)
        except QuilateError:
            continue
        known = {check.check_id for check in given.checks}
        replayed.append(
            ReplayedRun(
                run=number,
                before=decide(given).verdict,
                after=decide(under_plan(given, plan)).verdict,
                unmeasured=tuple(check.id for check in plan.checks if check.id not in known),
            )
        )
    return tuple(replayed)


def cached_ages(plan: Plan) -> Mapping[CheckId, float]:
    """Return the age in seconds of each answer that the result cache holds for the project as it is now."""
    directory = RunDirectory(Path(plan.project.root))
    if not os.access(directory.results, os.R_OK | os.X_OK):
        return {}
    workspace = list_workspace(directory.root, plan.project.exclude, plan.project.projects)
    fingerprints = Fingerprints(workspace, FileIndex(workspace.root, directory.index_file), plan.project.interpreter)
    cache = ResultCache(directory)
    ages = {}
    for check in plan.checks:
        key = fingerprints.key(check) if check.binding_error is None else None
        attempt = cache.get(key, check, now=time.time()) if key else None
        if attempt is not None and attempt.cached_age_seconds is not None:
            ages[check.id] = attempt.cached_age_seconds
    return ages
