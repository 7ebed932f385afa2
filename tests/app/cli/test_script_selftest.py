"""``quilate script selftest`` on this machine (A06)."""

import json
from pathlib import Path

from tests.support.projects import quilate

QUICK = ("--category", "determinism", "--category", "native")


def test_the_suite_passes_here_and_says_how_workers_are_shut_in(tmp_path: Path) -> None:
    done = quilate(tmp_path, "script", "selftest", "--min-level", "process", *QUICK)
    assert done.code == 0, done.output + done.errors
    assert done.lines[0].startswith("quilate script selftest  engine default  level ")
    assert any("v8 code from strings" in line for line in done.lines)
    assert any(line.startswith("  ✓ native") and "validator on" in line for line in done.lines)
    assert done.lines[-1].startswith("PASS  12 cases: validator on ")
    assert "escaped" not in done.output


def test_as_json_for_the_strict_engine(tmp_path: Path) -> None:
    done = quilate(tmp_path, "script", "selftest", "--engine", "strict", "--min-level", "process", "--json", *QUICK)
    assert done.code == 0, done.output + done.errors
    document = json.loads(done.output)
    assert (document["format"], document["engine"], document["passed"]) == (
        "quilate-script-selftest/v1",
        "strict",
        True,
    )
    assert document["counts"]["validator_off"]["contained"] == 12
    assert document["counts"]["validator_off"]["escaped"] == 0
    assert {"name", "ending", "rules", "classes"} <= document["results"][0].keys()


def test_an_isolation_that_is_too_weak_fails(tmp_path: Path) -> None:
    shown = quilate(tmp_path, "script", "selftest", "--json", "--category", "determinism", "--min-level", "process")
    level = json.loads(shown.output)["level"]["level"]
    done = quilate(tmp_path, "script", "selftest", "--category", "determinism", "--min-level", "jailed")
    assert done.code == (0 if level == "jailed" else 1)
    assert ("is weaker than jailed" in done.output) == (level != "jailed")


def test_a_category_that_there_is_not_names_the_nearest(tmp_path: Path) -> None:
    done = quilate(tmp_path, "script", "selftest", "--category", "memori")
    assert (done.code, "did you mean 'memory'" in done.errors) == (2, True)
