"""A breach of a rule by a script, with its place and what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass

from quilate.sandbox.validation.rules import RULES, Severity

LONGEST_VALUE = 200
"""Of what a message quotes from a script, in characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """From where to where, lines and columns from 1; columns count UTF-16 code units, as V8 and editors do.

    Attributes:
        line: Where it begins.
        column: As above.
        end_line: Where it ends.
        end_column: The first column that is no part of it.
    """

    line: int = 1
    column: int = 1
    end_line: int = 1
    end_column: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One breach.

    Attributes:
        rule: Its id, a key of ``RULES``.
        severity: An error refuses the script.
        line: Where it begins, from 1, as V8 counts lines.
        column: From 1, in UTF-16 code units; a byte order mark takes none.
        end_line: Where it ends.
        end_column: The first column that is no part of it.
        message: What is wrong, one sentence.
        fix: What to do, one sentence.
    """

    rule: str
    severity: Severity
    line: int
    column: int
    end_line: int
    end_column: int
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.line}:{self.column}: {self.rule} {self.message}"


def violation(rule_id: str, place: Place | None = None, values: Mapping[str, str] | None = None) -> Violation:
    """Return a breach of a rule with its sentences filled in.

    Raises:
        KeyError: There is no such rule, or a value of its sentences is missing.
    """
    rule = RULES[rule_id]
    at = place or Place()
    cut = {name: _cut(value) for name, value in (values or {}).items()}
    return Violation(
        rule=rule.id,
        severity=rule.severity,
        line=at.line,
        column=at.column,
        end_line=at.end_line,
        end_column=at.end_column,
        message=rule.message.format_map(cut),
        fix=rule.fix.format_map(cut),
    )


def refuses(violations: tuple[Violation, ...]) -> bool:
    """Return whether one of the breaches is an error."""
    return any(each.severity == "error" for each in violations)


def _cut(value: str) -> str:
    return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}…"
