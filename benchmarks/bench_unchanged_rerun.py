"""The demo project, run again unchanged, as a whole process; and beside it the same run without the cache."""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from measure import medians_in_turn, report, run_quietly

TARGET_MILLISECONDS = 500
ENDPOINT_CHECKS = {"perf_test", "penetration_test", "tls_policy"}


# An endpoint may answer differently each time: its checks are answered from the cache only where a blueprint says how
# long an answer stays fresh.
FRESH_BLUEPRINT = """\
id: ds-ia-crypto-fresh
version: 1
extends: ds-ia-crypto
stages:
  - name: pre_deploy
    checks:
      - {id: perf_test, type: LOAD_TEST, fresh_for: 1h}
      - {id: penetration_test, type: DAST, fresh_for: 1h}
      - {id: tls_policy, type: TLS_POLICY, fresh_for: 1h}
"""


def main() -> None:
    """Print the figures."""
    from quilate.app.demo import DemoService, apply_fixes, write_project  # noqa: PLC0415 - a heavy import of its own

    run = [str(Path(sys.executable).parent / "quilate"), "run"]
    fresh = ["--blueprint", "fresh.yaml"]
    with tempfile.TemporaryDirectory() as name:
        os.environ["QUILATE_HOME"] = str(Path(name, "home"))
        project = Path(name, "credit-risk")
        project.mkdir()
        write_project(project, flaws=True)
        apply_fixes(project)
        (project / "fresh.yaml").write_text(FRESH_BLUEPRINT, encoding="utf-8")
        with DemoService(project):
            first = judged(project, *run, *fresh)
            again = judged(project, *run, *fresh)
            without_freshness = judged(project, *run)
            medians = medians_in_turn(
                {
                    "unchanged": lambda: run_quietly([*run, *fresh], cwd=project),
                    "without_cache": lambda: run_quietly([*run, *fresh, "--no-cache"], cwd=project),
                    "bare_python": lambda: run_quietly([sys.executable, "-c", "pass"]),
                },
                rounds=3,
            )
    every_check = {check["id"] for check in again["checks"]}
    correct = cached(again) == every_check and cached(without_freshness) == every_check - ENDPOINT_CHECKS
    same = first["decision"]["verdict"] == again["decision"]["verdict"] == "PASS"
    report(
        "unchanged_rerun",
        unchanged_ms=medians["unchanged"],
        without_cache_ms=medians["without_cache"],
        bare_python_ms=medians["bare_python"],
        ratio_to_without_cache=medians["unchanged"] / medians["without_cache"],
        target_ms=TARGET_MILLISECONDS,
        met=medians["unchanged"] <= TARGET_MILLISECONDS and correct and same,
        checks=len(every_check),
        every_check_cached_endpoints_only_under_fresh_for=correct,
        same_decision=first["decision"] == again["decision"],
    )


def judged(project: Path, *command: str) -> dict[str, Any]:
    """Return the JSON document of a run."""
    document: dict[str, Any] = json.loads(run_quietly([*command, "--json"], cwd=project).stdout)
    return document


def cached(document: dict[str, Any]) -> set[str]:
    """Return the checks that the result cache answered."""
    return {check["id"] for check in document["checks"] if check["attempts"][-1].get("cached_age_seconds") is not None}


if __name__ == "__main__":
    main()
