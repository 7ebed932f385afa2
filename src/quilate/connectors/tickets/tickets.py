"""What all ticket systems have in common: one open ticket for what is rejected, edited in place, closed on approval.

A ticket is about one project, branch and blueprint. It is found again by what the connection remembered, else at the
provider by the marker in its text: a delivery that is repeated after a crash opens no second one.
"""

import hashlib
from dataclasses import dataclass
from typing import ClassVar, Protocol

from quilate.connectors.notify.messages import one_line, title_of
from quilate.deliveries.connector import (
    RUN_FINISHED,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    Outcome,
    OutcomeKind,
    RunReport,
)

LABEL = "quilate"
MOST_FINDINGS = 20
_LONGEST_BODY = 20_000
_LONGEST_TITLE = 250
_FENCE = "```"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """A ticket as it is to be.

    Attributes:
        title: One line, no markup.
        lines: Its text, one plain line each; the provider's file turns them into its own markup.
        marker: The last line, by which it is found again.
    """

    title: str
    lines: tuple[str, ...]
    marker: str


class TicketSystem(Protocol):
    """What a provider's file has to know; ``number`` is the provider's own name of a ticket."""

    async def find(self, marker: str) -> str | None:
        """Return the open ticket whose text holds a marker."""
        ...

    async def create(self, ticket: Ticket) -> str:
        """Open a ticket and return its number."""
        ...

    async def update(self, number: str, ticket: Ticket) -> bool:
        """Write an open ticket anew; tell whether it is still there and open."""
        ...

    async def close(self, number: str, reason: str) -> bool:
        """Close a ticket with a reason; tell whether it was there and open."""
        ...


class TicketConnector:
    """The part of a connector that is the same for all providers."""

    kind: ClassVar[ConnectorKind] = ConnectorKind.TICKETS
    events: ClassVar[frozenset[str]] = frozenset({RUN_FINISHED})

    def system(self, context: DeliveryContext) -> TicketSystem:
        """Return the provider as a connection reaches it."""
        raise NotImplementedError

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Open, edit or close the ticket.

        Raises:
            DeliveryError: The provider did not take it.
        """
        if event.type != RUN_FINISHED or event.run_id is None:
            return _nothing("not the end of a run")
        report = await context.report(event.run_id)
        reason = _needs_none(report, undecided=getattr(context.settings, "undecided", False))
        if reason:
            return _nothing(reason)
        system, marker = self.system(context), marker_of(report)
        key = f"ticket:{marker}"
        if report.verdict == "PASS":
            return await _approved(system, context, key, marker, report)
        ticket = ticket_of(report, marker)
        # Both, for what is remembered may be closed, and a newer one be there that was not remembered any more.
        number = await context.remembered(key)
        written = bool(number) and await system.update(str(number), ticket)
        if not written:
            # What is remembered may be closed, and a newer one be there that was not remembered any more.
            number = await system.find(marker)
            written = bool(number) and await system.update(str(number), ticket)
        if number and written:
            await context.remember(key, number)
            return Outcome(summary=f"wrote ticket {number} anew", reference=number)
        number = await system.create(ticket)
        await context.remember(key, number)
        return Outcome(summary=f"opened ticket {number}" if number else "would open a ticket", reference=number)


def _needs_none(report: RunReport, *, undecided: bool) -> str:
    """Return why a run has nothing to do with tickets; empty where it has."""
    if report.superseded or not report.verdict:
        return "no verdict"
    if report.trigger is not None and report.trigger.pull_request is not None:
        return "requests have their comment"
    if report.verdict == "UNKNOWN" and not undecided:
        return "undecided, and the connection opens tickets for rejections only"
    return ""


async def _approved(
    system: TicketSystem, context: DeliveryContext, key: str, marker: str, report: RunReport
) -> Outcome:
    reason = one_line(f"{title_of(report)}: {report.url}")
    number = await context.remembered(key)
    closed = bool(number) and await system.close(str(number), reason)
    if not closed:
        number = await system.find(marker)
        closed = bool(number) and await system.close(str(number), reason)
    if not closed or not number:
        return _nothing("approved, and there is no open ticket")
    await context.remember(key, "")
    return Outcome(summary=f"closed ticket {number}", reference=number)


def _nothing(summary: str) -> Outcome:
    return Outcome(summary=summary, kind=OutcomeKind.NOTHING_TO_DO)


def marker_of(report: RunReport) -> str:
    """Return what names the ticket of a project's branch under one blueprint."""
    name = report.blueprint.partition("@")[0]
    text = f"{report.project}\0{report.branch}\0{name}"
    return f"quilate-fingerprint: {hashlib.sha256(text.encode()).hexdigest()[:32]}"


def ticket_of(report: RunReport, marker: str) -> Ticket:
    """Return the ticket of a run that was not approved."""
    lines = [one_line(report.headline), "", *(one_line(reason) for reason in report.reasons), ""]
    for found in report.findings[:MOST_FINDINGS]:
        place = f"{found.path}:{found.line}" if found.line else found.path
        lines.append(one_line(f"{found.severity} {found.rule} {place} {found.message}"))
    if report.findings_total > MOST_FINDINGS:
        lines.append(f"… and {report.findings_total - MOST_FINDINGS} more findings")
    if report.next_steps:
        lines += ["", "What to do:", *(one_line(step) for step in report.next_steps)]
    lines += ["", report.url]
    kept, length = [], 0
    for line in lines:
        length += len(line) + 1
        if length > _LONGEST_BODY:
            kept.append("…")
            break
        kept.append(line)
    place = f" on {report.branch}" if report.branch else ""
    verb = "rejects" if report.verdict == "FAIL" else "cannot judge"
    title = one_line(f"Quilate {verb} {report.project}{place}")[:_LONGEST_TITLE]
    return Ticket(title=title, lines=tuple(kept), marker=marker)


def plain_block(ticket: Ticket) -> str:
    """Return a ticket's text as Markdown in which nothing of it is markup: a fenced block, then the marker."""
    return f"{fenced(*ticket.lines)}\n\n{ticket.marker}\n"


def fenced(*lines: str) -> str:
    """Return lines as a block of Markdown that nothing in them ends."""
    text = "\n".join(lines).replace(_FENCE, "'''")
    return f"{_FENCE}text\n{text}\n{_FENCE}"


def holds_marker(body: object, marker: str) -> bool:
    """Tell whether a ticket's text has a marker where we put it: behind the block with what a repository says."""
    return isinstance(body, str) and marker in body.rpartition(_FENCE)[2].split("\n")
