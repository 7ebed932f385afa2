"""How bad ruff's diagnostics are: ruff itself grades none of them.

Source: the rules' own pages (https://docs.astral.sh/ruff/rules/): ``high`` is code that cannot run or does something
else than it says, ``medium`` a probable fault, ``low`` a matter of style.
"""

from quilate.checks.ruff import INVALID_SYNTAX
from quilate.domain.severity import Severity

_SEVERITY_OF_PREFIX = (
    (INVALID_SYNTAX, Severity.HIGH),
    ("E9", Severity.HIGH),
    ("F63", Severity.HIGH),
    ("F7", Severity.HIGH),
    ("F82", Severity.HIGH),
    ("PLE", Severity.HIGH),
    ("F", Severity.MEDIUM),
    ("ASYNC", Severity.MEDIUM),
    ("B", Severity.MEDIUM),
    ("BLE", Severity.MEDIUM),
    ("DTZ", Severity.MEDIUM),
    ("PLW", Severity.MEDIUM),
    ("S", Severity.MEDIUM),
    ("TRY", Severity.MEDIUM),
)
"""Longest matching prefix first among equals; a letter prefix must not be followed by another letter."""


def lint_severity(code: str) -> Severity:
    """Return the severity of a ruff rule code; what is not in the table is ``low``."""
    for prefix, severity in _SEVERITY_OF_PREFIX:
        rest = code[len(prefix) :]
        if code.startswith(prefix) and not rest[:1].isalpha():
            return severity
    return Severity.LOW
