"""What people are told of a run in a few lines, and when they are told at all."""

from dataclasses import dataclass
from typing import Literal

from quilate.deliveries.connector import RUN_FINISHED, DeliveredEvent, DeliveryContext, RunReport

When = Literal["not-passed", "always"]

SIGNS = {"PASS": "✅", "FAIL": "❌", "UNKNOWN": "❔"}
WORDS = {"PASS": "approved", "FAIL": "rejected", "UNKNOWN": "undecided"}
MOST_REASONS = 8
LONGEST_LINE = 300


WAIVER_EVENTS = frozenset({"dev.quilate.waiver.requested", "dev.quilate.waiver.expiring"})
TOLD_EVENTS = frozenset({RUN_FINISHED}) | WAIVER_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What people are told: one line, further lines without markup, and where to read on."""

    title: str
    lines: tuple[str, ...] = ()
    url: str = ""
    sign: str = ""
    what_if: str = ""


async def notice_of(event: DeliveredEvent, context: DeliveryContext, when: When) -> Notice | None:
    """Return what people want to hear of an event; nothing for those that are only for machines."""
    if event.type in WAIVER_EVENTS:
        return _waiver_notice(event)
    report = await worth_telling(event, context, when)
    if report is None:
        return None
    return Notice(
        title=title_of(report),
        lines=tuple(reasons_of(report)),
        url=report.url,
        sign=SIGNS.get(report.verdict, ""),
        what_if=one_line(report.what_if),
    )


def _waiver_notice(event: DeliveredEvent) -> Notice:
    rule, until = one_line(str(event.data.get("rule", ""))), one_line(str(event.data.get("until", "")))
    waiver = one_line(str(event.data.get("waiver", "")))
    if event.type.endswith(".expiring"):
        title = f"{event.project}: the waiver of {rule} ends on {until}"
        line = "Mend what it excuses, or ask for a new one before that day."
    else:
        title = f"{event.project}: a waiver of {rule} until {until} waits for approval"
        line = f"Another person decides: quilate waiver approve {waiver}"
    return Notice(title=one_line(title), lines=(line,), sign="⏳")


async def worth_telling(event: DeliveredEvent, context: DeliveryContext, when: When) -> RunReport | None:
    """Return the report of a run that people want to hear of; a superseded or cancelled one is none."""
    if event.type != RUN_FINISHED or event.run_id is None:
        return None
    report = await context.report(event.run_id)
    if report.superseded or not report.verdict or (when == "not-passed" and report.verdict == "PASS"):
        return None
    return report


def title_of(report: RunReport) -> str:
    """Return one line without markup."""
    place = f" on {report.branch}" if report.branch else ""
    commit = f" ({report.revision[:10]})" if report.revision else ""
    return one_line(f"{report.project}{place} was {WORDS.get(report.verdict, report.verdict)}{commit}")


def reasons_of(report: RunReport) -> list[str]:
    """Return why, one short line each."""
    lines = [one_line(reason) for reason in report.reasons if reason.strip()]
    shown = lines[:MOST_REASONS]
    return [*shown, f"… and {len(lines) - len(shown)} more lines"] if len(lines) > len(shown) else shown


def one_line(text: str) -> str:
    """Return text without line ends and signs that command anything."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST_LINE]
