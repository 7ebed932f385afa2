"""Which waiver covers which finding, and which waivers do not count, with the reason."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from quilate.domain.nearest import nearest
from quilate.evidence.model import Finding, Location
from quilate.policy.model import Waiver, WaiverUse


class WaiverMatch(NamedTuple):
    """Which waivers took a finding out, and which only would have: waiver id and source to fingerprints."""

    effective: Mapping[Waiver, tuple[str, ...]]
    ineffective: Mapping[Waiver, tuple[str, ...]]


class WaiverIndex:
    """The waivers of a decision, arranged so that a finding only meets those that may cover it.

    Args:
        waivers: All waivers, requests among them. Where several cover a finding the first by id and source is used.
        evaluated_on: The day of the decision; ``until`` is the last day that a waiver counts.
    """

    def __init__(self, waivers: Iterable[Waiver], evaluated_on: date) -> None:
        self._exact: dict[str, list[Waiver]] = {}
        self._prefixes: list[Waiver] = []
        self._inline: dict[tuple[str, int | None, int], list[Waiver]] = {}
        self.refusals: dict[Waiver, str] = {}
        for waiver in sorted(waivers, key=waiver_order):
            self.refusals[waiver] = refusal(waiver, evaluated_on)
            if waiver.line is not None:
                place = (waiver.paths[0] if waiver.paths else "", waiver.cell, waiver.line)
                self._inline.setdefault(place, []).append(waiver)
            elif waiver.rule.endswith("*"):
                self._prefixes.append(waiver)
            else:
                self._exact.setdefault(waiver.rule, []).append(waiver)

    def covering(self, finding: Finding) -> list[Waiver]:
        """Return the waivers whose rule and place cover a finding, effective or not, in their order."""
        if not self.refusals:
            return []
        location = finding.location
        found = [
            waiver
            for waiver in (*self._exact.get(finding.rule, ()), *self._prefixes)
            if _rule_matches(waiver.rule, finding.rule) and _place_matches(waiver.paths, location)
        ]
        if location.line is not None:
            beside = self._inline.get((location.path, location.cell, location.line), ())
            found += [waiver for waiver in beside if _rule_matches(waiver.rule, finding.rule)]
        return sorted(found, key=waiver_order) if len(found) > 1 else found

    def split(self, findings: Iterable[Finding]) -> tuple[list[Finding], list[Finding], WaiverMatch]:
        """Return the findings that are left, those that are waived, and which waivers met any."""
        left, waived = [], []
        effective: dict[Waiver, list[str]] = {}
        ineffective: dict[Waiver, list[str]] = {}
        for finding in findings:
            covering = self.covering(finding)
            counting = next((waiver for waiver in covering if not self.refusals[waiver]), None)
            if counting is not None:
                waived.append(finding)
                effective.setdefault(counting, []).append(finding.fingerprint)
                continue
            left.append(finding)
            for waiver in covering:
                ineffective.setdefault(waiver, []).append(finding.fingerprint)
        return left, waived, WaiverMatch(_frozen(effective), _frozen(ineffective))


def refusal(waiver: Waiver, evaluated_on: date) -> str:
    """Return why a waiver does not count on a day, or an empty string where it does."""
    if not waiver.owner.strip():
        return "it has no owner"
    if not waiver.reason.strip():
        return "it has no reason"
    if waiver.approver.strip() and waiver.approver.strip().casefold() == waiver.owner.strip().casefold():
        return f"not approved: its owner {waiver.owner} cannot approve it"
    if waiver.until < evaluated_on:
        return f"expired on {waiver.until.isoformat()}"
    if not waiver.binding:
        return f"not approved: {waiver.not_binding_reason or 'it is a request'}"
    return ""


def waiver_order(waiver: Waiver) -> tuple[str, ...]:
    """Return the key of the one order that waivers have in a decision, wherever they were read first."""
    return (waiver.id, waiver.source, waiver.rule, *waiver.paths)


def waiver_uses(
    index: WaiverIndex, matches: Iterable[WaiverMatch], observed_rules: frozenset[str]
) -> tuple[WaiverUse, ...]:
    """Return what became of every waiver: it took effect, does not count, or met no finding."""
    effective: dict[Waiver, list[str]] = {}
    ineffective: dict[Waiver, list[str]] = {}
    for match in matches:
        for waiver, fingerprints in match.effective.items():
            effective.setdefault(waiver, []).extend(fingerprints)
        for waiver, fingerprints in match.ineffective.items():
            ineffective.setdefault(waiver, []).extend(fingerprints)
    return tuple(
        _use(waiver, why or ("" if waiver in effective else _unused(waiver, observed_rules)), fingerprints)
        for waiver, why in index.refusals.items()
        for fingerprints in (effective.get(waiver) or ineffective.get(waiver) or [],)
    )


def _use(waiver: Waiver, why_not: str, fingerprints: list[str]) -> WaiverUse:
    return WaiverUse(
        waiver_id=waiver.id,
        rule=waiver.rule,
        source=waiver.source,
        owner=waiver.owner,
        approver=waiver.approver,
        reason=waiver.reason,
        until=waiver.until,
        effective=not why_not,
        not_effective_reason=why_not,
        fingerprints=tuple(sorted(set(fingerprints))),
    )


def _unused(waiver: Waiver, observed_rules: frozenset[str]) -> str:
    if any(_rule_matches(waiver.rule, rule) for rule in observed_rules):
        return f"unused: no finding of {waiver.rule} is at its place"
    return f"unused: no finding of this run has the rule {waiver.rule}{_hint(waiver.rule, observed_rules)}"


def _hint(rule: str, observed_rules: frozenset[str]) -> str:
    """Name the nearest rule of the same tool; the tool's own name would make all of its rules look alike."""
    tool, separator, code = rule.rpartition("/")
    begin = tool + separator
    near = nearest(code, (other.removeprefix(begin) for other in observed_rules if other.startswith(begin)))
    return f", did you mean {begin + near!r}?" if near else ""


def _frozen(matches: dict[Waiver, list[str]]) -> dict[Waiver, tuple[str, ...]]:
    return {waiver: tuple(fingerprints) for waiver, fingerprints in matches.items()}


def _rule_matches(pattern: str, rule: str) -> bool:
    return rule.startswith(pattern[:-1]) if pattern.endswith("*") else rule == pattern


def _place_matches(patterns: tuple[str, ...], location: Location) -> bool:
    if not patterns:
        return True
    place = location.path or location.url
    return bool(place) and any(path_matches(pattern, place) for pattern in patterns)


@lru_cache(maxsize=1 << 14)
def path_matches(pattern: str, path: str) -> bool:
    """Return whether a glob covers a path: ``*`` stays in a directory, ``**`` crosses them, a directory is all below.

    A pattern without ``/`` matches a name in every directory. No regular expression, so that no pattern can be slow.
    """
    anchored = pattern.strip().removeprefix("./").rstrip("/")
    if not anchored:
        return False
    segments = anchored.lstrip("/").split("/")
    anywhere = () if "/" in anchored else ("**",)
    return _sequence_matches((*anywhere, *segments, "**"), path.split("/"), "**", _segment_matches)


def _segment_matches(pattern: str, segment: str) -> bool:
    return _sequence_matches(pattern, segment, "*", lambda wanted, character: wanted in {"?", character})


def _sequence_matches(
    pattern: Sequence[str], items: Sequence[str], many: str, matches: Callable[[str, str], bool]
) -> bool:
    """Match with a wildcard for any number of items; going back to the last wildcard alone is enough."""
    at, item, wildcard, resume = 0, 0, -1, 0
    while item < len(items):
        if at < len(pattern) and pattern[at] == many:
            wildcard, resume = at, item
            at += 1
        elif at < len(pattern) and matches(pattern[at], items[item]):
            at += 1
            item += 1
        elif wildcard >= 0:
            resume += 1
            at, item = wildcard + 1, resume
        else:
            return False
    return all(rest == many for rest in pattern[at:])
