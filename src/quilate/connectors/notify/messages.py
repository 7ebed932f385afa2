"""What people are told of a run in a few lines, and when they are told at all."""

import hashlib
from dataclasses import dataclass
from typing import Literal

from quilate.connectors.decided import decided_report
from quilate.deliveries.connector import RUN_FINISHED, DeliveredEvent, DeliveryContext, Outcome, RunReport

When = Literal["not-passed", "always", "changed"]
"""Which verdicts people are told: those that are not PASS, and the PASS that follows one; all; those that differ from
the last one of their branch and blueprint."""

SIGNS = {"PASS": "✅", "FAIL": "❌", "UNKNOWN": "❔"}
WORDS = {"PASS": "approved", "FAIL": "rejected", "UNKNOWN": "undecided"}
MOST_REASONS = 8
LONGEST_LINE = 300


WAIVER_EVENTS = frozenset({"dev.quilate.waiver.requested", "dev.quilate.waiver.expiring"})
TOLD_EVENTS = frozenset({RUN_FINISHED}) | WAIVER_EVENTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What people are told: one line, further lines without markup, and where to read on.

    Attributes:
        memory: Key and value by which the connection knows later what was told; empty where it need not.
    """

    title: str
    lines: tuple[str, ...] = ()
    url: str = ""
    sign: str = ""
    what_if: str = ""
    memory: tuple[str, str] = ("", "")


async def notice_of(event: DeliveredEvent, context: DeliveryContext, when: When) -> Notice | None:
    """Return what people want to hear of an event; nothing for those that are only for machines."""
    if event.type in WAIVER_EVENTS:
        return _waiver_notice(event)
    report = await decided_report(event, context)
    if isinstance(report, Outcome):
        return None
    key, now = f"told:{_place_of(report)}", _Told.of(report)
    last = _Told.read(await context.remembered(key))
    # A run that is older than what was told last is news of no change.
    if not _worth_telling(report.verdict, when, last.verdict if last.moment <= now.moment else report.verdict):
        return None
    again = report.verdict == "PASS" != last.verdict
    return Notice(
        title=title_of(report, again="again " if again else ""),
        memory=(key, now.written) if last.moment <= now.moment else ("", ""),
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


async def remember_told(notice: Notice, context: DeliveryContext) -> None:
    """Keep what people were told, once they were."""
    key, value = notice.memory
    if key:
        await context.remember(key, value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """The last verdict that was told of a place, and when its run was submitted, in microseconds."""

    verdict: str = "PASS"
    moment: int = 0

    @classmethod
    def of(cls, report: RunReport) -> "_Told":
        submitted = report.submitted_at
        return cls(verdict=report.verdict, moment=int(submitted.timestamp() * 1_000_000) if submitted else 0)

    @classmethod
    def read(cls, written: str | None) -> "_Told":
        verdict, _, moment = (written or "").partition(" ")
        return cls(verdict=verdict, moment=int(moment)) if verdict and moment.isdecimal() else cls()

    @property
    def written(self) -> str:
        return f"{self.verdict} {self.moment}"


def _worth_telling(verdict: str, when: When, last: str) -> bool:
    """Return whether people want to hear of a verdict; ``last`` is the one that they heard last, PASS for none."""
    return when == "always" or verdict != last or (when == "not-passed" and verdict != "PASS")


def _place_of(report: RunReport) -> str:
    """Return what verdicts follow each other for: a branch or request under one blueprint."""
    request = report.trigger.pull_request if report.trigger is not None else None
    name = report.blueprint.partition("@")[0]
    text = f"{report.project}\0{report.branch}\0{name}\0{request or ''}"
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:32]


def title_of(report: RunReport, *, again: str = "") -> str:
    """Return one line without markup."""
    place = f" on {report.branch}" if report.branch else ""
    commit = f" ({report.revision[:10]})" if report.revision else ""
    return one_line(f"{report.project}{place} was {again}{WORDS.get(report.verdict, report.verdict)}{commit}")


def reasons_of(report: RunReport) -> list[str]:
    """Return why, one short line each."""
    lines = [one_line(reason) for reason in report.reasons if reason.strip()]
    shown = lines[:MOST_REASONS]
    return [*shown, f"… and {len(lines) - len(shown)} more lines"] if len(lines) > len(shown) else shown


def one_line(text: str) -> str:
    """Return text without line ends and signs that command anything."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())[:LONGEST_LINE]
