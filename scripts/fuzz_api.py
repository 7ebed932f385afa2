"""Fuzz the whole API of a service of its own: no 5xx, no answer that the description does not have.

``python scripts/fuzz_api.py`` starts PostgreSQL, the API, the background process and a script worker, makes one person
of each role and one of everything, and runs schemathesis with a fixed seed, every phase and 100 examples for each
operation: once as each of them and once without a login. It prints what it finds by slice (the operation's tag) and
exits 1 where there is anything.

Before that, each operation is asked for what exists, with a quarter of the examples and no sequences, which make their
own; what exists is deleted last. With ``--examples``, ``--as``, ``--tags`` and ``--phases`` it does less.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from quilate.app.service.openapi import describe  # noqa: E402 - after the root is known
from tests.support.fuzz_hooks import AIMS, ANSWERS, BASE, CALLER, PROJECT  # noqa: E402 - as above
from tests.support.fuzz_service import CALLERS, NOBODY, FuzzedService, fuzzed_service  # noqa: E402 - as above

SEED = 4
EXAMPLES = 100
SEQUENCES = "stateful"
PHASES = f"examples,coverage,fuzzing,{SEQUENCES}"
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_headers_conformance,response_schema_conformance"
)
LAST = "projects"
"""The slice that changes what the others need: an archived project refuses everything."""
_REFUSED, _SERVER_ERROR = 400, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """One of the runs over a slice.

    Attributes:
        name: Of its directory.
        parameters: Values of path parameters.
        known: They name what exists; no sequences then, and fewer examples.
        options: Which operations.
        aims: Path parameters for which an operation does what it is for, by the end of its path.
    """

    name: str
    parameters: Mapping[str, str]
    known: bool = False
    options: tuple[str, ...] = ()
    aims: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is run, and as how many callers at the same time."""

    examples: int = EXAMPLES
    seed: int = SEED
    phases: str = PHASES
    together: int = 1

    def phases_of(self, one: Pass) -> list[str]:
        """Return the phases of one of the runs over a slice."""
        return [phase for phase in self.phases.split(",") if not (one.known and phase == SEQUENCES)]


@dataclass(slots=True, kw_only=True)
class Found:
    """What runs of schemathesis found: answers of each operation by status, and the failures of each that has some."""

    answers: defaultdict[str, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    failures: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, other: "Found") -> None:
        """Take in what another found."""
        for operation, answers in other.answers.items():
            self.answers[operation] += answers
        for operation, texts in other.failures.items():
            self.failures[operation] += texts

    def undone(self) -> list[str]:
        """Return the operations that never did what they are for."""
        return sorted(name for name, answers in self.answers.items() if min(answers) >= _REFUSED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=EXAMPLES)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--phases", default=PHASES)
    parser.add_argument("--as", dest="callers", default=",".join(CALLERS), help="of " + ", ".join(CALLERS))
    parser.add_argument("--tags", default="", help="only these slices, with commas")
    parser.add_argument("--together", type=int, default=1, help="so many callers at the same time")
    parser.add_argument("--keep", type=Path, help="directory for the full reports and the service's logs")
    given = parser.parse_args(arguments)
    plan = Plan(examples=given.examples, seed=given.seed, phases=given.phases, together=given.together)
    known = slices()
    tags = [tag for tag in given.tags.split(",") if tag] or known
    callers = given.callers.split(",")
    if unknown := [*(set(tags) - set(known)), *(set(callers) - set(CALLERS))]:
        parser.error(f"there is no {', '.join(unknown)}")
    with tempfile.TemporaryDirectory(prefix="quilate-fuzz-") as place:
        keep = (given.keep or Path(place)).absolute()
        for caller in callers:
            (keep / caller).mkdir(parents=True, exist_ok=True)
        # Whoever ends us ends what was started too.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return asyncio.run(fuzz(plan, callers, tags, keep))


async def fuzz(plan: Plan, callers: Sequence[str], tags: Sequence[str], keep: Path) -> int:
    """Fuzz as each caller, each on a service of its own: what one does hides nothing from another."""
    say(f"seed {plan.seed}, {plan.examples} examples, phases {plan.phases}")
    turns = asyncio.Semaphore(plan.together)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(fuzz_caller(plan, caller, tags, keep / caller, turns)) for caller in callers]
    total = Found()
    for task in tasks:
        total.add(task.result())
    for name in total.undone():
        say(f"always refused: {name}")
    say(f"total, as {len(callers)} callers: {summary(total)}")
    return 1 if total.failures else 0


async def fuzz_caller(plan: Plan, caller: str, tags: Sequence[str], place: Path, turns: asyncio.Semaphore) -> Found:
    """Fuzz slice after slice as one caller, when it is their turn."""
    seen = Found()
    async with turns:
        begin = time.monotonic()
        async with fuzzed_service(place, caller) as service:
            for tag in tags:
                found = await fuzz_slice(service, plan, caller, tag, place)
                report(f"{caller}, {tag}", found)
                seen.add(found)
        say(f"{caller}, all: {summary(seen)}; {time.monotonic() - begin:.0f} s")
    return seen


async def fuzz_slice(service: FuzzedService, plan: Plan, caller: str, tag: str, place: Path) -> Found:
    """Fuzz one slice as one caller."""
    found = Found()
    await service.prepare(tag)
    for each in passes(service, tag):
        if not plan.phases_of(each):
            continue
        where = place / f"{tag.replace(' ', '-')}-{each.name}"
        await asyncio.to_thread(run_schemathesis, service.base, caller, plan, tag, each, where)
        found.add(read_results(where))
    return found


def passes(service: FuzzedService, tag: str) -> list[Pass]:
    """Return the runs over one slice: what deletes goes after everything that needs what is deleted."""
    things, aims = service.things.of(tag), service.things.aims.get(tag, {})
    methods = {method.upper() for method, tags in operations() if tag in tags}
    found = []
    if methods - {"DELETE"}:
        found.append(
            Pass(name="known", parameters=things, known=True, options=("--exclude-method", "DELETE"), aims=aims)
        )
    if "DELETE" in methods:
        # Named one by one: what is included is added to the slice, what is excluded is taken from it.
        others = [part for method in sorted(methods - {"DELETE"}) for part in ("--exclude-method", method)]
        found.append(Pass(name="delete", parameters=things, known=True, options=tuple(others), aims=aims))
    return [*found, Pass(name="any", parameters={"project": PROJECT}, aims=aims)]


def operations() -> list[tuple[str, list[str]]]:
    """Return method and tags of every operation."""
    return [(method, entry["tags"]) for path in describe()["paths"].values() for method, entry in path.items()]


def slices() -> list[str]:
    """Return the tags of all operations, the one that changes most at the end."""
    tags = dict.fromkeys(tags[0] for _, tags in operations())
    return [*(tag for tag in tags if tag != LAST), LAST]


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def summary(found: Found) -> str:
    """Return what was asked, what was answered and what failed, in a line."""
    by_class = Counter({f"{kind}xx": 0 for kind in range(2, 6)})
    for answers in found.answers.values():
        for status, number in answers.items():
            by_class[f"{status // 100}xx"] += number
    said = ", ".join(f"{number} {kind}" for kind, number in sorted(by_class.items()))
    return (
        f"{len(found.answers)} operations ({len(found.undone())} always refused), {by_class.total()} answers ({said}), "
        f"{len(found.failures)} operations with failures"
    )


def report(what: str, found: Found) -> None:
    """Print what was found."""
    say(f"{what}: {summary(found)}")
    for operation, texts in sorted(found.failures.items()):
        say(f"  {operation}")
        for text in texts[:3]:
            say("    " + "\n    ".join(text.strip().splitlines()[:25]))


def run_schemathesis(  # noqa: PLR0913, PLR0917 - what one run depends on
    base: str, caller: str, plan: Plan, tag: str, one: Pass, where: Path
) -> None:
    """Run schemathesis over one slice.

    Raises:
        RuntimeError: It did not run.
    """
    where.mkdir(parents=True, exist_ok=True)
    (where / "aims.json").write_text(json.dumps(one.aims), encoding="utf-8")
    examples = max(1, plan.examples // 4) if one.known else plan.examples
    fixed = "".join(f"{json.dumps(f'path.{name}')} = {json.dumps(value)}\n" for name, value in one.parameters.items())
    (where / "schemathesis.toml").write_text(f"[parameters]\n{fixed}", encoding="utf-8")
    command = [
        str(Path(sys.executable).parent / "schemathesis"), "--config-file", str(where / "schemathesis.toml"),
        "run", f"{base}/openapi.json", "--phases", ",".join(plan.phases_of(one)), "--checks", CHECKS,
        "--seed", str(plan.seed), "--max-examples", str(examples), "--continue-on-failure", "--no-shrink", "--no-color",
        "--generation-database", "none", "--suppress-health-check", "all", "--request-timeout", "30",
        "--report", "junit", "--report-junit-path", str(where / "results.xml"), "--include-tag", tag, *one.options,
    ]  # fmt: skip
    environment = {
        **os.environ,
        "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
        "SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks",
        BASE: base,
        CALLER: "" if caller == NOBODY else caller,
        ANSWERS: str(where / "answers.json"),
        AIMS: str(where / "aims.json"),
    }
    with (where / "output.txt").open("wb") as output:
        subprocess.run(command, env=environment, stdout=output, stderr=output, check=False, cwd=where)  # noqa: S603 - a fixed command
    if not (where / "results.xml").exists() or not (where / "answers.json").exists():
        text = (where / "output.txt").read_text(encoding="utf-8", errors="replace")
        raise RuntimeError(f"schemathesis did not run:\n{text[-4000:]}")


def read_results(where: Path) -> Found:
    """Return what a run reported; an answer of 5xx is a failure whatever the report says."""
    found = Found()
    for case in ET.parse(where / "results.xml").iter("testcase"):  # noqa: S314 - schemathesis wrote it for us
        for outcome in (*case.findall("failure"), *case.findall("error")):
            found.failures[case.get("name", "")].append(outcome.text or outcome.get("message") or "")
    for operation, answers in json.loads((where / "answers.json").read_text(encoding="utf-8")).items():
        found.answers[operation] = Counter({int(status): number for status, number in answers.items()})
        if max(found.answers[operation]) >= _SERVER_ERROR and operation not in found.failures:
            found.failures[operation].append(f"answers by status: {answers}")
    return found


if __name__ == "__main__":
    sys.exit(main())
