"""Words, signs and colours of the terminal output."""

import os
import re
import sys
from dataclasses import dataclass

import click

from quilate.domain.errors import ConfigurationError
from quilate.domain.verdict import CheckResult, Verdict
from quilate.evidence.safe_text import visible

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
_STYLES = re.compile(r"(\x1b\[(?:0|1|3[0-7]|9[0-7])m)")
_NO_STYLES = re.compile(r"(?!)()")
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
        """Print text for people; what would command a terminal is made visible.

        Raises:
            ConfigurationError: It cannot be written, on a full disk for example.
        """
        self.document(harmless(text, styles=self.colour))

    def document(self, text: str) -> None:
        """Print text as it is; characters that the terminal's encoding lacks are replaced, never an error.

        Where nobody reads any more (`quilate run | head -1`) the rest is dropped: the run goes on to its verdict.

        Raises:
            ConfigurationError: It cannot be written, on a full disk for example.
        """
        encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
        try:
            click.echo(text.encode(encoding, "replace").decode(encoding), color=self.colour or None)
        except BrokenPipeError:
            discard_output()
        except OSError as error:
            discard_output()
            raise ConfigurationError(
                f"standard output cannot be written: {error.strerror}", next_step="write to another place"
            ) from error


def discard_output() -> None:
    """Lead standard output nowhere, so that what is still in its buffer is no error when Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.close(nowhere)


def harmless(text: str, *, styles: bool = False) -> str:
    """Return text that others may have had a hand in without any command to a terminal.

    Line ends and tabulators stay, and with ``styles`` the colours that ``Terminal.styled`` gives.
    """
    if text.isprintable():
        return text
    kept = _STYLES if styles else _NO_STYLES
    return "".join(
        part if index % 2 else "".join(c if c in "\n\t" else visible(c) for c in part)
        for index, part in enumerate(kept.split(text))
    )


def current_terminal() -> Terminal:
    """Return the terminal of this process; ``NO_COLOR`` and ``TERM=dumb`` are honoured, CI gets plain lines."""
    interactive = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
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
