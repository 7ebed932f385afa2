"""What people are told of a run in a few lines, and when they are told at all."""

from typing import Literal

from quilate.deliveries.connector import RUN_FINISHED, DeliveredEvent, DeliveryContext, RunReport

When = Literal["not-passed", "always"]

SIGNS = {"PASS": "✅", "FAIL": "❌", "UNKNOWN": "❔"}
WORDS = {"PASS": "approved", "FAIL": "rejected", "UNKNOWN": "undecided"}
MOST_REASONS = 8
LONGEST_LINE = 300


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
