"""Judge well-known packages from PyPI and compare what is found with the golden files.

``python scripts/acceptance.py`` needs the network and is therefore outside ``make test``. Three packages are judged as
plain source trees: no crash, analysed + unparsed = all files, findings equal to ``tests/acceptance/golden``. Two
projects with a real test suite are judged with it, run by an interpreter of their own. ``--accept`` rewrites the
golden files: read the difference before you commit it.
"""

import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
from pathlib import Path
from typing import Any

from quilate.kit.words import counted

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "acceptance" / "golden"
PACKAGES = ("flask==3.1.0", "requests==2.32.3", "pyjwt==2.10.1")
SUITES = ("itsdangerous==2.2.0", "markupsafe==3.0.2")
SUITE_REQUIREMENTS = ("pytest==8.3.4", "coverage==7.6.10", "freezegun==1.5.1")


def command(*argv: str, directory: Path | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a command and keep its output."""
    return subprocess.run(argv, cwd=directory, capture_output=True, check=False)  # noqa: S603 - fixed commands of ours


def required(*argv: str) -> None:
    """Run a command that must succeed."""
    done = command(*argv)
    if done.returncode:
        raise SystemExit(f"{' '.join(argv)} failed:\n{done.stderr.decode()}")


def environment(directory: Path) -> tuple[str, ...]:
    """Return the pip of a virtual environment, made where there is none yet."""
    if not directory.exists():
        venv.create(directory, with_pip=True)
    return (str(directory / "bin" / "python"), "-m", "pip")


def judge(directory: Path, blueprint: str) -> dict[str, Any]:
    """Run the gate as a user would and return its JSON document."""
    quilate = str(Path(sys.executable).parent / "quilate")
    path = ROOT / "examples" / "blueprints" / blueprint
    done = command(quilate, "run", str(directory), "--blueprint", str(path), "--json")
    if done.returncode not in {0, 1, 3} or b"Traceback" in done.stderr:
        raise SystemExit(f"{directory.name}: exit {done.returncode}\n{done.stderr.decode()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def summary_of(document: dict[str, Any]) -> dict[str, Any]:
    """Return what a golden file holds: verdict, results, file counts, and every finding in one line."""
    findings, counts = [], {}
    for check in document["checks"]:
        evidence = check["attempts"][-1]["evidence"] or {"findings": [], "facts": []}
        facts = {fact["name"]: fact["value"] for fact in evidence["facts"]}
        if "files_analysed" in facts:
            counts[check["id"]] = [int(facts["files_analysed"]), int(facts.get("files_unparsed", "0"))]
        for finding in evidence["findings"]:
            place = finding["location"]
            findings.append(f"{check['id']} {finding['rule']} {finding['severity']} {place['path']}:{place['line']}")
    return {
        "verdict": document["verdict"],
        "results": {check["id"]: check["result"] for check in document["checks"]},
        "files_analysed_and_unparsed": counts,
        "findings": sorted(findings),
    }


def judge_package(requirement: str, work: Path, *, accept: bool) -> list[str]:
    """Judge one source tree; return what is wrong with the outcome."""
    tree = work / requirement.partition("==")[0]
    required(*environment(work / "tools"), "install", "-q", "--no-deps", "--target", str(tree), requirement)
    found = summary_of(judge(tree, "source-review.yaml"))
    files = [path for path in tree.rglob("*") if path.is_file() and not {"__pycache__", ".quilate"} & set(path.parts)]
    sources = sum(path.suffix in {".py", ".pyi"} for path in files)
    problems = [
        f"{requirement}: {check} analysed {analysed} + unparsed {unparsed}, not all files"
        for check, (analysed, unparsed) in found["files_analysed_and_unparsed"].items()
        if analysed + unparsed != (len(files) if check == "secrets" else sources)
    ]
    golden = GOLDEN / f"{requirement.replace('==', '-')}.json"
    if accept:
        golden.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    elif json.loads(golden.read_text(encoding="utf-8")) != found:
        problems.append(f"{requirement}: findings differ from {golden.relative_to(ROOT)}")
    findings = counted(len(found["findings"]), "finding")
    print(f"{requirement}: {found['verdict']}, {findings}, {counted(sources, 'file')}")  # noqa: T201 - the result
    return problems


def judge_suite(requirement: str, work: Path) -> list[str]:
    """Judge one project with its own test suite; return what is wrong with the outcome."""
    name = requirement.partition("==")[0]
    pip = environment(work / "tools")
    required(*pip, "download", "-q", "--no-deps", "--no-binary", ":all:", "-d", str(work), requirement)
    archive = next(work.glob(f"{name}*.tar.gz"))
    with tarfile.open(archive) as content:
        content.extractall(work / "suites", filter="data")
    tree = next((work / "suites").glob(f"{name}*"))
    own = work / "environments" / name
    required(*environment(own), "install", "-q", str(tree), *SUITE_REQUIREMENTS)
    python = str(own / "bin" / "python")
    (tree / "quilate.yaml").write_text(
        f"project: {name}\ntype: library\nblueprint: tested-library\ninterpreter: {python}\n", encoding="utf-8"
    )
    document = judge(tree, "tested-library.yaml")
    tests = next(check for check in document["checks"] if check["id"] == "unit_tests")
    evidence = tests["attempts"][-1]["evidence"]
    facts = {fact["name"]: fact["value"] for fact in (evidence or {"facts": []})["facts"]}
    print(f"{requirement}: {document['verdict']}, unit_tests {tests['result']}, {facts}")  # noqa: T201 - the result
    if int(facts.get("tests_passed") or 0) == 0:
        return [f"{requirement}: its tests did not run: {tests['attempts'][-1]['reason']}"]
    return []


def main() -> int:
    """Judge all of them."""
    accept = "--accept" in sys.argv
    problems: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for requirement in PACKAGES:
            problems += judge_package(requirement, work, accept=accept)
        for requirement in SUITES:
            problems += judge_suite(requirement, work)
        shutil.rmtree(work, ignore_errors=True)
    for problem in problems:
        sys.stderr.write(problem + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
