"""The cost of the gate itself: 4 stages of 4 trivial checks, with plan, cache, decision, record and seal.

``bench_gate_overhead.py run DIRECTORY`` is one whole process; without arguments it measures.
"""

import sys
from pathlib import Path

IN_PROCESS_TARGET = 50
WHOLE_PROCESS_TARGET = 250


def register() -> None:
    """Make the trivial check types known in this process."""
    from quilate.checks.registry import register_check  # noqa: PLC0415 - the bare process must not pay for it

    register_check("TRIVIAL_PROCESS", "trivial_check:TrivialInProcess")
    register_check("TRIVIAL_THREAD", "trivial_check:TrivialInThread")


def write_project(directory: Path, check_type: str) -> None:
    """Write a project whose blueprint has 4 stages of 4 trivial checks."""
    lines = ["id: overhead", "version: 1", "project_types: [ds]", "stages:"]
    for stage in range(4):
        lines += [f"  - name: stage_{stage}", "    checks:"]
        lines += [f"      - {{id: check_{stage}_{number}, type: {check_type}, required: true}}" for number in range(4)]
    lines += ["policies:", "  approval:", "    rule: all_required_checks_pass and check_0_0.answer == 42"]
    (directory / "blueprint.yaml").write_text("\n".join(lines), encoding="utf-8")
    (directory / "quilate.yaml").write_text("project: overhead\ntype: ds\nblueprint: blueprint.yaml\n", "utf-8")
    (directory / "module.py").write_text("ANSWER = 42\n", encoding="utf-8")


def run_whole(directory: str) -> int:
    """Be one whole ``quilate run``."""
    register()
    from quilate.app.cli import run_command_line  # noqa: PLC0415 - as above

    return run_command_line(["run", directory, "--no-cache"])


def in_process(directory: Path) -> float:
    """Return the time of the second run in this warm interpreter, result cache empty, in milliseconds."""
    import time  # noqa: PLC0415 - as above

    from quilate.blueprints.project_file import load_project  # noqa: PLC0415 - as above
    from quilate.domain.verdict import Verdict  # noqa: PLC0415 - as above
    from quilate.kit.process.forkserver import ForkServer  # noqa: PLC0415 - as above
    from quilate.runs.executor import LocalExecutor  # noqa: PLC0415 - as above
    from quilate.runs.session import RunOptions, plan_of, run_session  # noqa: PLC0415 - as above

    times = []
    with ForkServer.start(preload=("quilate.checks.execution", "trivial_check"), spares=4) as server:
        for _ in range(12):
            executor = LocalExecutor(server=server)
            begin = time.perf_counter()
            options = RunOptions(use_cache=False)
            done = run_session(plan_of(load_project(directory), options), options, executor=executor)
            times.append((time.perf_counter() - begin) * 1000)
            executor.close()
            if done.decision is None or done.decision.verdict is not Verdict.PASS:
                raise SystemExit("the trivial run did not pass")
    return sorted(times[1:])[len(times[1:]) // 2]


def main() -> None:
    """Print the figures."""
    import os  # noqa: PLC0415 - the process that is measured imports only what the gate does
    import tempfile  # noqa: PLC0415 - as above

    from measure import medians_in_turn, report, run_quietly  # noqa: PLC0415 - as above

    register()
    with tempfile.TemporaryDirectory() as name:
        os.environ["QUILATE_HOME"] = str(Path(name, "home"))
        projects = {}
        for kind in ("process", "thread"):
            projects[kind] = Path(name, kind)
            projects[kind].mkdir()
            write_project(projects[kind], f"TRIVIAL_{kind.upper()}")
        warm = {kind: in_process(project) for kind, project in projects.items()}
        whole = medians_in_turn(
            {
                "process": lambda: run_quietly([sys.executable, __file__, "run", str(projects["process"])]),
                "thread": lambda: run_quietly([sys.executable, __file__, "run", str(projects["thread"])]),
                "bare_python": lambda: run_quietly([sys.executable, "-c", "pass"]),
            },
            rounds=11,
        )
        last = run_quietly([sys.executable, __file__, "run", str(projects["process"])])
    above = {kind: whole[kind] - whole["bare_python"] for kind in ("process", "thread")}
    report(
        "gate_overhead",
        checks=16,
        in_process_children_ms=warm["process"],
        in_process_threads_ms=warm["thread"],
        in_process_target_ms=IN_PROCESS_TARGET,
        whole_children_above_bare_ms=above["process"],
        whole_threads_above_bare_ms=above["thread"],
        whole_target_ms=WHOLE_PROCESS_TARGET,
        bare_python_ms=whole["bare_python"],
        ratio_whole_children_to_bare=whole["process"] / whole["bare_python"],
        met=max(warm.values()) <= IN_PROCESS_TARGET and max(above.values()) <= WHOLE_PROCESS_TARGET,
        verdict_is_pass=last.returncode == 0,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.exit(run_whole(sys.argv[2]))
    main()
