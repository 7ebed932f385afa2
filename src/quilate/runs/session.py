"""One ``quilate run`` of one project: plan, lock, baseline, run, record, seal."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from quilate.blueprints.model import Blueprint, Plan, ProjectFile
from quilate.blueprints.planner import make_plan
from quilate.blueprints.references import command_line_reference, load_blueprint
from quilate.evidence.baseline import baseline_of, compare, write_baseline
from quilate.evidence.model import Finding
from quilate.kit.canonical import sha256_of
from quilate.kit.words import counted, form
from quilate.policy.decision import decide, decision_bytes
from quilate.policy.judgement import judge
from quilate.policy.model import Baseline, Binding
from quilate.runs.baseline import BASELINE_FILE, resolve_baseline, saved_baseline
from quilate.runs.executor import Executor
from quilate.runs.judging import bind_on_new
from quilate.runs.local import Announce, Progress, RunRequest, run_project
from quilate.runs.record import SEAL_FILE, findings_of, save_run
from quilate.runs.report import BaselineComparison, RunReport
from quilate.runs.store import RunDirectory, write_atomically
from quilate.runs.waivers import protected_branch
from quilate.seals.sealing import seal_decision


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """What a user may choose about a run; see ``quilate run --help``."""

    blueprint: str = ""
    only: tuple[str, ...] = ()
    from_stage: str = ""
    baseline: str = ""
    save_baseline: bool = False
    use_cache: bool = True


def plan_of(project: ProjectFile, options: RunOptions) -> Plan:
    """Return the plan that a run with these options follows.

    Raises:
        ConfigurationError: Blueprint, project file or options do not fit together.
    """
    reference = command_line_reference(options.blueprint) if options.blueprint else project.blueprint
    blueprint: Blueprint = load_blueprint(reference, Path(project.root))
    return make_plan(project, blueprint, only=options.only, from_stage=options.from_stage or None)


def run_session(
    plan: Plan,
    options: RunOptions,
    *,
    announce: Announce | None = None,
    progress: Progress | None = None,
    executor: Executor | None = None,
) -> RunReport:
    """Judge one project by its plan (see ``plan_of``) and keep the record.

    Raises:
        ConfigurationError: Another run is under way here, or the baseline cannot be read.
        KeyboardInterrupt: Ctrl+C; nothing is left running and no verdict was given.
    """
    directory = RunDirectory(Path(plan.project.root))
    with directory.locked():
        baseline = _baseline(plan, options)
        report = run_project(
            RunRequest(
                plan=plan,
                baseline=baseline,
                use_cache=options.use_cache,
                announce=announce,
                progress=progress,
                executor=executor,
            )
        )
        if options.save_baseline:
            report = _adopt(report, Path(plan.project.root))
        if baseline is not None:
            report = replace(report, comparison=compare_with(baseline, report))
        report = save_run(directory, report)
        if report.decision is not None:
            report = _sealed(report)
        directory.prune()
    return report


def _baseline(plan: Plan, options: RunOptions) -> Baseline | None:
    if options.save_baseline:
        return None
    if options.baseline:
        return resolve_baseline(plan, options.baseline)
    return saved_baseline(plan)


def _adopt(report: RunReport, root: Path) -> RunReport:
    """Write the committed baseline from what was found and decide again on what is new, which is nothing.

    Where the blueprint asks for approval the decision stays: the new baseline counts once the protected branch has it.
    """
    findings = findings_of(report.runs)
    adopted = baseline_of("adopted", findings)
    write_baseline(root / BASELINE_FILE, adopted)
    if report.plan.blueprint.waivers_need_approval:
        branch = protected_branch(root, report.plan.project.protected_branch)
        note = (
            f"{BASELINE_FILE} is written; it counts once the protected branch {branch!r} holds it "
            "(the remote's default branch, else `protected_branch` in quilate.yaml)"
        )
        return replace(report, notes=(*report.notes, note))
    accepted = f"{counted(len(findings), 'finding')} {form(len(findings), 'is', 'are')} accepted as debt"
    note = f"{accepted} in {BASELINE_FILE}: commit it; from now on only new ones count"
    return decide_again(replace(report, notes=(*report.notes, note)), adopted)


def decide_again(report: RunReport, baseline: Baseline) -> RunReport:
    """Return the report as it stands under a baseline; nothing runs again."""
    policies = bind_on_new(report.decision_input.policies)
    decision_input = replace(report.decision_input, policies=policies, baseline=baseline)
    waivers, day = decision_input.waivers, decision_input.evaluated_on
    results = {
        check.check_id: judge(check, waivers, baseline, day, Binding.NEW).decision.result
        for check in decision_input.checks
    }
    decision = decide(decision_input) if report.decision is not None else None
    return replace(report, decision_input=decision_input, decision=decision, results=results)


def compare_with(baseline: Baseline, report: RunReport) -> BaselineComparison:
    """Return how many findings are new, fixed and unchanged."""
    return comparison_of(findings_of(report.runs), baseline)


def comparison_of(findings: Iterable[Finding], baseline: Baseline) -> BaselineComparison:
    """Return how many of these findings are new and unchanged, and how many of the baseline's are fixed."""
    compared = compare(findings, baseline)
    return BaselineComparison(
        reference=baseline.reference,
        new=len(compared.new),
        fixed=compared.fixed_count,
        unchanged=len(compared.unchanged),
    )


def _sealed(report: RunReport) -> RunReport:
    assert report.decision is not None  # noqa: S101 - the caller's condition, told to the type checker
    seal = seal_decision(decision_bytes(report.decision), sealed_at=datetime.now(UTC))
    write_atomically(Path(report.directory) / SEAL_FILE, seal)
    return replace(report, seal_digest=sha256_of(seal))
