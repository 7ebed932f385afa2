"""``quilate script selftest``: the escape suite on the user's own machine."""

from typing import TYPE_CHECKING

import click

from quilate.app.cli.terminal import Terminal, current_terminal, duration_text
from quilate.domain.errors import ExitCode
from quilate.kit.words import counted

if TYPE_CHECKING:
    from quilate.sandbox.escapes.cases import EscapeCase
    from quilate.sandbox.escapes.selftest import SelfTestReport
    from quilate.sandbox.model import Attempt

_ENGINES = ("default", "strict")
_LEVELS = ("process", "locked", "jailed")


@click.command("selftest")
@click.option(
    "--engine", type=click.Choice(_ENGINES), default="default", show_default=True, help="What runs the cases."
)
@click.option(
    "--min-level",
    type=click.Choice(_LEVELS),
    default="locked",
    show_default=True,
    help="The weakest isolation that is good enough, as the setting of the service.",
)
@click.option("--category", "categories", multiple=True, metavar="NAME", help="Only these cases, for example memory.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def command(engine: str, min_level: str, categories: tuple[str, ...], *, as_json: bool) -> int:
    """Run programs that try to get out of the sandbox, to use up the host or never to end, on this machine.

    Each runs once with the validator in front and once without it: refused, or contained, never escaped. After each
    the workers have to answer, and the host has back its processes and its memory. Takes a minute or two.

    Exit 0 where all was contained and the isolation is good enough, 1 otherwise.
    """
    import asyncio  # noqa: PLC0415 - keeps --help fast

    report = asyncio.run(_report(engine, _chosen(categories)))
    strong_enough = _LEVELS.index(report.level.level.value) >= _LEVELS.index(min_level)
    if as_json:
        click.echo(_json(report, strong_enough=strong_enough))
    else:
        _show(report, current_terminal(), min_level, strong_enough=strong_enough)
    return ExitCode.APPROVED if report.passed and strong_enough else ExitCode.REJECTED


def _chosen(categories: tuple[str, ...]) -> "list[EscapeCase]":
    from quilate.domain.nearest import nearest_hint  # noqa: PLC0415 - keeps --help fast
    from quilate.sandbox.escapes.cases import escape_cases  # noqa: PLC0415 - as above

    known = list(dict.fromkeys(case.category for case in escape_cases()))
    for name in categories:
        if name not in known:
            raise click.UsageError(f"no category {name!r}{nearest_hint(name, known)}; there are {', '.join(known)}")
    return [case for case in escape_cases() if not categories or case.category in categories]


async def _report(engine_name: str, cases: "list[EscapeCase]") -> "SelfTestReport":
    from quilate.sandbox.escapes.selftest import run_selftest  # noqa: PLC0415 - keeps --help fast
    from quilate.sandbox.model import Engine, Level  # noqa: PLC0415 - as above
    from quilate.sandbox.pool import PoolSettings, SandboxPool  # noqa: PLC0415 - as above

    engine = Engine(engine_name)
    # The level is shown and judged here; a pool with a demand of its own would say nothing about the weaker ones.
    settings = PoolSettings(workers=1, engines=frozenset({Engine.DEFAULT, engine}), min_level=Level.PROCESS)
    async with SandboxPool(settings) as pool:
        return await run_selftest(pool, engine=engine, cases=cases)


def _show(report: "SelfTestReport", terminal: Terminal, min_level: str, *, strong_enough: bool) -> None:
    good, bad = terminal.styled("✓", "green"), terminal.styled("✗", "red")
    level = report.level
    terminal.line(f"quilate script selftest  engine {report.engine.value}  level {level.level.value}")
    for attempt in level.attempts:
        terminal.line(f"  {good if attempt.refused else bad} {_attempt_text(attempt)}")
    for missing in level.missing:
        terminal.line(f"  {terminal.styled('!', 'yellow')} {missing}")
    for category in dict.fromkeys(result.category for result in report.results):
        terminal.line(_category_line(report, category, good, bad))
    for problem in (*(f"{each.name}: {each.problem}" for each in report.results if each.problem), *report.problems):
        terminal.line(f"  {bad} {problem}")
    if not strong_enough:
        terminal.line(f"  {bad} the level {level.level.value} is weaker than {min_level}")
        terminal.line(
            "    fix: run on Linux 5.13 or later with seccomp and Landlock; bubblewrap gives the level jailed"
        )
    passed = report.passed and strong_enough
    word = terminal.styled("PASS", "green", bold=True) if passed else terminal.styled("FAIL", "red", bold=True)
    total = len({result.name for result in report.results})
    terminal.line(f"{word}  {counted(total, 'case')}: {_totals(report)}   {duration_text(report.seconds)}")


def _attempt_text(attempt: "Attempt") -> str:
    return f"{attempt.name}: {attempt.detail}" if attempt.detail else attempt.name


def _category_line(report: "SelfTestReport", category: str, good: str, bad: str) -> str:
    clean = not any(result.problem for result in report.results if result.category == category)
    return f"  {good if clean else bad} {category:<12} {_totals(report, category)}"


def _totals(report: "SelfTestReport", category: str | None = None) -> str:
    from quilate.sandbox.escapes.selftest import Ending  # noqa: PLC0415 - loaded by now

    parts = []
    for validated, name in ((True, "validator on"), (False, "off")):
        found = report.count(validated=validated, category=category)
        shown = [f"{found[ending]} {ending.value}" for ending in Ending if found[ending]]
        parts.append(f"{name} {', '.join(shown) or 'none'}")
    return "; ".join(parts)


def _json(report: "SelfTestReport", *, strong_enough: bool) -> str:
    from quilate.app.cli.formats import json_text  # noqa: PLC0415 - keeps --help fast
    from quilate.kit.canonical import to_document  # noqa: PLC0415 - as above
    from quilate.sandbox.escapes.selftest import Ending  # noqa: PLC0415 - as above

    counts = {
        name: {ending.value: report.count(validated=validated)[ending] for ending in Ending}
        for name, validated in (("validator_on", True), ("validator_off", False))
    }
    return json_text(
        {
            "format": "quilate-script-selftest/v1",
            "passed": report.passed and strong_enough,
            "strong_enough": strong_enough,
            "counts": counts,
            **to_document(report),
        }
    )
