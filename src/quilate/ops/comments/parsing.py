"""The commands that a comment may hold.

``/quilate waive RULE until=YYYY-MM-DD reason="…" [path=GLOB …]``, ``/quilate approve WAIVER``,
``/quilate reject WAIVER reason="…"``, ``/quilate revoke WAIVER reason="…"``; each on a line of its own, outside of code
blocks and quotations, the first of a comment only.
"""

import shlex
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from quilate.domain.errors import ConfigurationError

PREFIX = "/quilate"
USAGE = (
    '`/quilate waive RULE until=YYYY-MM-DD reason="…" [path=GLOB]`, `/quilate approve WAIVER`, '
    '`/quilate reject WAIVER reason="…"`, `/quilate revoke WAIVER reason="…"`'
)
_LONGEST_LINE = 2_000
_MOST_PATHS = 20


class Verb(StrEnum):
    """What is to be done."""

    WAIVE = "waive"
    APPROVE = "approve"
    REJECT = "reject"
    REVOKE = "revoke"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command; what its verb does not use is empty."""

    verb: Verb
    rule: str = ""
    until: date | None = None
    reason: str = ""
    paths: tuple[str, ...] = ()
    waiver: UUID | None = None


def find_line(text: str) -> str:
    """Return the first line of a comment that is meant for us; empty where there is none."""
    fenced = False
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith(("```", "~~~")):
            fenced = not fenced
        elif not fenced and (line == PREFIX or line.startswith(f"{PREFIX} ")) and not raw.startswith(("    ", "\t")):
            return line[:_LONGEST_LINE]
    return ""


def parse_line(line: str) -> Command:
    """Return the command of a line that ``find_line`` found.

    Raises:
        ConfigurationError: It is none; the error says what is expected.
    """
    try:
        words = shlex.split(line)[1:]
    except ValueError as error:
        raise _wrong(f"the command cannot be read: {error}") from error
    verb = next((each for each in Verb if words and words[0] == each.value), None)
    if verb is None:
        raise _wrong(f"there is no command {words[0]!r}" if words else "the command is missing")
    about, named = _parts(verb, words[1:])
    values = dict(named)
    reason = values.get("reason", "").strip()
    if verb is not Verb.APPROVE and not reason:
        raise _wrong(f'{verb.value} needs reason="…"')
    if verb is Verb.WAIVE:
        paths = tuple(value for name, value in named if name == "path" and value)[:_MOST_PATHS]
        return Command(verb=verb, rule=about, until=_day(values.get("until", "")), reason=reason, paths=paths)
    return Command(verb=verb, waiver=_waiver(about), reason=reason)


def _parts(verb: Verb, words: list[str]) -> tuple[str, list[tuple[str, str]]]:
    """Return what a command is about, and its named parts."""
    plain = [word for word in words if "=" not in word]
    named = [(name, value) for name, _, value in (word.partition("=") for word in words if "=" in word)]
    known = {"until", "reason", "path"} if verb is Verb.WAIVE else {"reason"}
    unknown = [name for name, _ in named if name not in known]
    if unknown:
        raise _wrong(f"{verb.value} knows no {unknown[0]!r}")
    if len(plain) != 1:
        raise _wrong(f"{verb.value} is about one thing")
    return plain[0], named


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise _wrong("waive needs until=YYYY-MM-DD") from error


def _waiver(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise _wrong("the waiver's id is none") from error


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError(message, next_step=USAGE)
