"""Excerpts of answers that may be shown: short, on one line, and without what looks like a secret."""

import re

MAX_EXCERPT = 160
"""Characters of an answer that a finding shows at most."""

_MASK = "***"
_NAMED = re.compile(
    r"(?i)((?:password|passwd|pwd|secret|token|api[_-]?key|authorization|cookie|session|credential)[\w-]*[\"']?\s*[:=]\s*)"
    r"(\"[^\"]*\"|'[^']*'|(?:bearer\s+|basic\s+)?[^\s,;}\"'&]+)"
)
_MAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{1,64}")
_LONG = re.compile(
    r"(?=[A-Za-z0-9+/_=.-]*\d)(?=[A-Za-z0-9+/_=.-]*[A-Za-z])[A-Za-z0-9+/_=-]{20,}(?:\.[A-Za-z0-9+/_=-]+)*"
)
_DIGITS = re.compile(r"(?<!\d)(?:\d[ .-]?){10,18}\d(?!\d)")


def excerpt(content: bytes) -> str:
    """Return the beginning of an answer as one line of printable text, secrets and personal numbers masked."""
    text = content[: 16 * MAX_EXCERPT].decode("utf-8", "replace")
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    for pattern, replacement in ((_NAMED, rf"\g<1>{_MASK}"), (_MAIL, _MASK), (_LONG, _MASK), (_DIGITS, _MASK)):
        line = pattern.sub(replacement, line)
    return line if len(line) <= MAX_EXCERPT else line[: MAX_EXCERPT - 1] + "…"
