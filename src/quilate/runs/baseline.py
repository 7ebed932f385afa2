"""The findings that were there before: of a saved file, of a saved run, or of a git revision."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from quilate.blueprints.model import Plan
from quilate.domain.errors import ConfigurationError
from quilate.evidence.baseline import Baseline, baseline_of, read_baseline, write_baseline
from quilate.kit.git import git_output
from quilate.runs.local import RunRequest, run_project
from quilate.runs.record import findings_of, load_run
from quilate.runs.store import RunDirectory
from quilate.runs.waivers import protected_branch
from quilate.waivers.approval import protected_text

BASELINE_FILE = "quilate-baseline.json"
"""Lies beside ``quilate.yaml`` and is committed: what a team accepted as debt when it adopted the gate."""


def resolve_baseline(plan: Plan, reference: str) -> Baseline:
    """Return the baseline that ``reference`` names: a baseline file, a run's number or ``last``, or a git revision.

    Raises:
        ConfigurationError: It is none of these.
    """
    root = Path(plan.project.root)
    candidate = Path(reference)
    file = candidate if candidate.is_absolute() else root / candidate
    if file.is_file():
        return read_baseline(file)
    directory = RunDirectory(root)
    if reference == "last" or reference.isdecimal():
        saved = load_run(directory, reference)
        findings = findings_of(saved.record.runs)
        return baseline_of(f"run {saved.record.number}", findings)
    return _baseline_of_revision(plan, reference, directory)


def saved_baseline(plan: Plan) -> Baseline | None:
    """Return the committed baseline of a project, if there is one.

    Where the blueprint asks for approval it counts as the protected branch holds it: a change must not excuse itself.
    """
    root = Path(plan.project.root)
    file = root / BASELINE_FILE
    if not plan.blueprint.waivers_need_approval:
        return read_baseline(file) if file.is_file() else None
    text = protected_text(root, protected_branch(root, plan.project.protected_branch), BASELINE_FILE)
    if text is None:
        return None
    with tempfile.TemporaryDirectory(prefix="quilate-baseline-") as directory:
        approved = Path(directory, BASELINE_FILE)
        approved.write_text(text, encoding="utf-8")
        return read_baseline(approved)


def _baseline_of_revision(plan: Plan, reference: str, directory: RunDirectory) -> Baseline:
    root = Path(plan.project.root)
    output = git_output(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{reference}^{{commit}}")
    if output is None:
        raise ConfigurationError(
            f"baseline {reference!r} is neither a file, nor a run, nor a git revision",
            next_step="give a branch, tag or commit, a run's number, or a file made by `quilate run --save-baseline`",
        )
    commit = output.decode("ascii").strip()
    kept = directory.baselines / f"{commit}-{plan.digest.removeprefix('sha256:')[:16]}.json"
    if kept.is_file():
        return read_baseline(kept)
    with checked_out(root, commit) as tree:
        findings = findings_of(run_project(RunRequest(plan=plan_for_tree(plan, tree))).runs)
    baseline = baseline_of(commit, findings)
    write_baseline(kept, baseline)
    return baseline


def plan_for_tree(plan: Plan, tree: Path) -> Plan:
    """Return the plan for another checkout of the project: only what looks at files and leaves no effects."""
    root = Path(plan.project.root)
    interpreter = plan.project.interpreter
    if not interpreter and (root / ".venv" / "bin" / "python").exists():
        interpreter = str(root / ".venv" / "bin" / "python")
    elif interpreter and not Path(interpreter).is_absolute():
        interpreter = str(root / interpreter)
    checks = tuple(
        check for check in plan.checks if not check.effects and not check.inputs.endpoint and check.inputs.cacheable
    )
    kept = {check.id for check in checks}
    return replace(
        plan,
        project=replace(plan.project, root=str(tree), interpreter=interpreter),
        checks=tuple(
            replace(check, needs=tuple(need for need in check.needs if need in kept), when=()) for check in checks
        ),
        partial=True,
    )


@contextmanager
def checked_out(root: Path, commit: str) -> Iterator[Path]:
    """Give the tree of ``commit`` at a temporary place; nothing of the repository's hooks and filters is executed.

    Raises:
        ConfigurationError: git cannot give it.
    """
    prefix = (git_output(root, "rev-parse", "--show-prefix") or b"").decode("utf-8", "surrogateescape").strip()
    top = (git_output(root, "rev-parse", "--show-toplevel") or b"").decode("utf-8", "surrogateescape").strip()
    target = Path(tempfile.mkdtemp(prefix="quilate-baseline-"))
    try:
        arguments = ("clone", "--quiet", "--shared", "--no-checkout", "--", top, str(target / "tree"))
        clone = git_output(root, *arguments, may_read_repositories=True)
        done = None if clone is None else git_output(target / "tree", "checkout", "--quiet", "--detach", commit)
        tree = target / "tree" / prefix
        if done is None or not tree.is_dir():
            raise ConfigurationError(
                f"git cannot check out {commit[:12]} for the baseline", next_step="see that the revision is complete"
            )
        yield tree
    finally:
        shutil.rmtree(target, ignore_errors=True)
