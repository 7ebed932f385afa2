"""Findings as the few lines of an explanation: one per rule, with places and fix."""

from collections.abc import Sequence

from quilate.evidence.model import Finding
from quilate.kit.words import counted

SHOWN_PLACES = 3
"""Places named for each rule; the others are counted."""

SHOWN_RULES = 5
"""Rules named for each check; the others are counted."""


def findings_by_rule(findings: Sequence[Finding]) -> list[list[Finding]]:
    """Return findings by rule and fix, the worst first."""
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        grouped.setdefault((finding.rule, finding.fix), []).append(finding)
    return sorted(grouped.values(), key=lambda group: (-max(one.severity.rank for one in group), group[0].rule))


def finding_lines(groups: Sequence[Sequence[Finding]]) -> tuple[str, ...]:
    """Return a line per rule: severity, places, what is wrong, measured and limit."""
    lines = []
    for group in groups[:SHOWN_RULES]:
        first = group[0]
        measured = f" (measured {first.measured}, limit {first.limit})" if first.measured and first.limit else ""
        lines.append(f"{first.rule} {first.severity.value}  {_places(group)}{first.message}{measured}")
    hidden = len(groups) - SHOWN_RULES
    return (*lines, *([f"and {counted(hidden, 'rule')} more"] if hidden > 0 else []))


def _places(group: Sequence[Finding]) -> str:
    places = [place for finding in group if (place := _place(finding))]
    if not places:
        return ""
    named = dict.fromkeys(places[:SHOWN_PLACES])
    more = f" and {len(group) - SHOWN_PLACES} more" if len(group) > SHOWN_PLACES else ""
    return f"{', '.join(named)}{more}: "


def _place(finding: Finding) -> str:
    location = finding.location
    parts = [location.path or location.url]
    parts += [f"cell {location.cell}"] if location.cell is not None else []
    parts += [f"record {location.record}"] if location.record is not None else []
    parts += [str(location.line)] if location.line is not None else []
    parts += [location.field] if location.field else []
    return ":".join(part for part in parts if part)


def fixing_steps(groups: Sequence[Sequence[Finding]]) -> tuple[str, ...]:
    """Return what to do about each rule, in the same order."""
    return tuple(f"{group[0].rule}, {_places(group)}{group[0].fix}" for group in groups)
