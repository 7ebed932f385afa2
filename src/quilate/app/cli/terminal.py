"""Words, signs and colours of the terminal output."""

import os
import sys
from dataclasses import dataclass

import click

from quilate.domain.verdict import CheckResult, Verdict

SIGNS = {
    CheckResult.PASS: ("✓", "green"),
    CheckResult.WARN: ("!", "yellow"),
    CheckResult.FAIL: ("✗", "red"),
    CheckResult.UNDECIDED: ("?", "yellow"),
    CheckResult.ERROR: ("?", "magenta"),
    CheckResult.TIMED_OUT: ("?", "magenta"),
    CheckResult.CANCELLED: ("-", "magenta"),
    CheckResult.SKIPPED: ("-", "bright_black"),
    CheckResult.NOT_APPLICABLE: ("-", "bright_black"),
}
WAIVED_SIGN = ("~", "blue")
VERDICT_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.UNKNOWN: "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Terminal:
    """Where output goes: whether it may have colour, and whether it may be redrawn."""

    colour: bool
    live: bool

    def styled(self, text: str, colour: str, *, bold: bool = False) -> str:
        """Return ``text`` in a colour, or as it is where colour is off."""
        return click.style(text, fg=colour, bold=bold) if self.colour else text

    def line(self, text: str = "") -> None:
        """Print one line; characters that the terminal's encoding lacks are replaced, never an error."""
        encoding = sys.stdout.encoding or "utf-8"
        click.echo(text.encode(encoding, "replace").decode(encoding), color=self.colour or None)


def current_terminal() -> Terminal:
    """Return the terminal of this process; ``NO_COLOR`` and ``TERM=dumb`` are honoured, CI gets plain lines."""
    interactive = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    return Terminal(
        colour=interactive and not os.environ.get("NO_COLOR"), live=interactive and not os.environ.get("CI")
    )


def duration_text(seconds: float) -> str:
    """Return ``0.8s``, ``41s``, ``4m38s`` or ``1h02m``."""
    if seconds < 10:  # noqa: PLR2004 - below ten seconds the tenth matters
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}h{minutes:02}m"
    return f"{minutes}m{rest:02}s" if minutes else f"{rest}s"


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return ``1 finding`` or ``3 findings``."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
