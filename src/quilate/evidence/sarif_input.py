"""Read the SARIF that wrapped tools write, as findings. The content is hostile until it is read.

What a tool says is believed only to its disadvantage: a run that it calls unsuccessful, an ``open`` result or a
truncated one becomes ``Undecided``, never silence.

Source: SARIF 2.1.0, sections 3.14 (run), 3.20 (invocation), 3.27 (result), 3.49 (reportingDescriptor); severities by
CVSS 3.1 bands where the tool gives ``security-severity``.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import msgspec

from quilate.domain.errors import EvidenceError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Finding, FindingKind, Location, Undecided, finite_decimal
from quilate.evidence.redaction import redact_known
from quilate.evidence.safe_text import unicode_text, visible_text, without_ansi

MAX_BYTES = 64 << 20
MAX_RESULTS = 100_000

_MAX_TEXT = 2000
_MAX_NUMBER = 2**31
_MAX_RULE = 120
_BANDS = (("9", Severity.CRITICAL), ("7", Severity.HIGH), ("4", Severity.MEDIUM), ("0.1", Severity.LOW))
_LEVELS = {"error": Severity.HIGH, "warning": Severity.MEDIUM, "note": Severity.LOW, "none": Severity.INFO}
_NO_FINDING = {"pass", "notApplicable", "informational"}
_OPEN = {"open", "review"}

_Object = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SarifInput:
    """What a SARIF log says. ``suppressed`` counts results that the tool itself was told to overlook."""

    tools: tuple[str, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...] = ()
    suppressed: int = 0


def findings_from_sarif(
    content: bytes,
    *,
    kind: FindingKind,
    workspace_root: str = "",
    tool: str = "",
    include_suppressed: bool = True,
) -> SarifInput:
    """Return the findings of a SARIF 2 log.

    Args:
        content: The log.
        kind: The kind that the findings get.
        workspace_root: Absolute path that absolute locations are made relative to.
        tool: Prefix of the rule ids; by default each run's own tool name.
        include_suppressed: Count what the tool's own suppressions hide; an exception should be a waiver, which has an
            owner and an end.

    Raises:
        EvidenceError: It is too large, no JSON, or no SARIF 2.
    """
    runs = _runs(content)
    read = [_Run(run, tool=tool, kind=kind, root=workspace_root, include_suppressed=include_suppressed) for run in runs]
    if sum(len(run.results) for run in read) > MAX_RESULTS:
        raise EvidenceError(
            f"the SARIF log has more than {MAX_RESULTS} results", next_step="narrow what the tool looks at"
        )
    parts = [run.read() for run in read]
    return SarifInput(
        tools=tuple(dict.fromkeys(run.tool for run in read)),
        findings=tuple(finding for part in parts for finding in part.findings),
        undecided=tuple(question for part in parts for question in part.undecided),
        suppressed=sum(part.suppressed for part in parts),
    )


def _runs(content: bytes) -> list[_Object]:
    if len(content) > MAX_BYTES:
        raise EvidenceError(
            f"the SARIF log is larger than {MAX_BYTES >> 20} MiB", next_step="narrow what the tool looks at"
        )
    try:
        log = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise EvidenceError(
            "the tool's output is no valid JSON", next_step="run the tool by hand and look at its messages"
        ) from error
    runs = log.get("runs") if isinstance(log, dict) else None
    version = log.get("version") if isinstance(log, dict) else None
    if not isinstance(runs, list) or not isinstance(version, str) or not version.startswith("2."):
        raise EvidenceError("the tool's output is no SARIF 2 log", next_step="let the tool write SARIF 2.1.0")
    if not runs or not all(isinstance(run, dict) for run in runs):
        raise EvidenceError("the SARIF log holds no run", next_step="run the tool by hand and look at its messages")
    return runs


class _Run:
    """One run of a log: its rules, its base addresses, its results."""

    def __init__(self, run: _Object, *, tool: str, kind: FindingKind, root: str, include_suppressed: bool) -> None:
        driver = _object(_object(run, "tool"), "driver")
        extensions = _objects(_object(run, "tool"), "extensions")
        self.tool = tool or _tool_name(_string(driver, "name"))
        self.results = _objects(run, "results")
        self._run = run
        self._components = [driver, *extensions]
        self._rules = [_objects(component, "rules") for component in self._components]
        self._by_id = {_string(rule, "id"): rule for rules in reversed(self._rules) for rule in rules}
        self._kind = kind
        self._root = root.rstrip("/")
        self._include_suppressed = include_suppressed

    def read(self) -> SarifInput:
        findings: list[Finding] = []
        undecided = list(self._troubles())
        suppressed = 0
        for result in self.results:
            kind = _string(result, "kind") or "fail"
            if kind in _NO_FINDING or _string(result, "baselineState") == "absent":
                continue
            hidden = any(_string(entry, "status") in {"", "accepted"} for entry in _objects(result, "suppressions"))
            suppressed += hidden
            if hidden and not self._include_suppressed:
                continue
            finding = self._finding(result)
            if kind in _OPEN:
                undecided.append(_open_question(finding))
            else:
                findings.append(finding)
        return SarifInput(
            tools=(self.tool,), findings=tuple(findings), undecided=tuple(undecided), suppressed=suppressed
        )

    def _troubles(self) -> Iterable[Undecided]:
        """Yield what keeps the log from being the whole answer."""
        if not isinstance(self._run.get("results"), list):
            yield self._trouble("its log has no results", "run the tool by hand and look at its messages")
        elif len(self.results) != len(self._run["results"]):
            yield self._trouble("its log has results that are no objects", "look at the tool's output")
        for invocation in _objects(self._run, "invocations"):
            if invocation.get("executionSuccessful") is not False:
                continue
            notes = _objects(invocation, "toolExecutionNotifications")
            notes += _objects(invocation, "toolConfigurationNotifications")
            told = [_message_text(_object(note, "message")) for note in notes]
            reason = "; ".join(text for text in told[:3] if text) or "it gives no reason"
            yield self._trouble(f"it says that it did not succeed: {reason}", "mend what it names and run again")

    def _trouble(self, reason: str, next_step: str) -> Undecided:
        return Undecided(subject=self.tool, reason=_clean(reason), next_step=next_step)

    def _finding(self, result: _Object) -> Finding:
        rule = self._rule(result)
        rule_id = RuleId(f"{self.tool}/{self._rule_code(result, rule)}")
        message = self._message(result, rule) or f"{rule_id} without a message"
        help_url = _string(rule, "helpUri")
        fixes = _objects(result, "fixes")
        fix = _message_text(_object(fixes[0], "description")) if fixes else ""
        return Finding(
            rule=rule_id,
            kind=self._kind,
            severity=_severity(result, rule),
            message=message,
            location=self._location(result),
            measured=_clean(_string(rule, "name")) or str(rule_id),
            limit="none",
            fix=fix or _clean(_string(_object(rule, "help"), "text"))[:300] or f"mend it as {rule_id} says",
            fixable=bool(fixes),
            help_url=help_url if help_url.startswith(("https://", "http://")) else "",
        )

    def _rule(self, result: _Object) -> _Object:
        reference = _object(result, "rule")
        component = _number(_object(reference, "toolComponent"), "index", least=0)
        rules = self._rules[component + 1] if component is not None and component + 1 < len(self._rules) else None
        index = _number(reference, "index", least=0)
        index = _number(result, "ruleIndex", least=0) if index is None else index
        rules = self._rules[0] if rules is None else rules
        if index is not None and index < len(rules):
            return rules[index]
        return self._by_id.get(_string(result, "ruleId") or _string(reference, "id"), {})

    @staticmethod
    def _rule_code(result: _Object, rule: _Object) -> str:
        code = _string(result, "ruleId") or _string(_object(result, "rule"), "id") or _string(rule, "id") or "unnamed"
        return re.sub(r"[^A-Za-z0-9._:/-]+", "-", code).strip("-")[:_MAX_RULE] or "unnamed"

    @staticmethod
    def _message(result: _Object, rule: _Object) -> str:
        message = _object(result, "message")
        text = _string(message, "text") or _string(message, "markdown")
        if not text:
            strings = _object(rule, "messageStrings")
            text = _string(_object(strings, _string(message, "id")), "text")
            text = text or _string(_object(rule, "shortDescription"), "text")
        arguments = message.get("arguments")
        if isinstance(arguments, list):
            given = {f"{{{i}}}": argument for i, argument in enumerate(arguments) if isinstance(argument, str)}
            text = re.sub(r"\{\d{1,4}\}", lambda match: given.get(match[0], match[0]), text[:_MAX_TEXT])
        return _clean(text).rstrip(".")

    def _location(self, result: _Object) -> Location:
        locations = _objects(result, "locations")
        physical = _object(locations[0], "physicalLocation") if locations else {}
        artifact = self._artifact(_object(physical, "artifactLocation"))
        path, url = self._path(artifact)
        region = _object(physical, "region")
        return Location(
            path=path,
            url=url,
            line=_number(region, "startLine"),
            column=_number(region, "startColumn"),
            end_line=_number(region, "endLine"),
            end_column=_number(region, "endColumn"),
        )

    def _artifact(self, artifact: _Object) -> _Object:
        index = _number(artifact, "index", least=0)
        artifacts = _objects(self._run, "artifacts")
        if not _string(artifact, "uri") and index is not None and index < len(artifacts):
            return _object(artifacts[index], "location")
        return artifact

    def _path(self, artifact: _Object) -> tuple[str, str]:
        """Return path and address; what does not lie in the workspace has no path, so that nothing there is read."""
        uri = _string(artifact, "uri")[:_MAX_TEXT]
        base = _object(_object(self._run, "originalUriBaseIds"), _string(artifact, "uriBaseId"))
        try:
            whole = urljoin(_string(base, "uri"), uri) if _string(base, "uri").startswith("file:") else uri
            parts = urlsplit(whole)
        except ValueError:
            return "", ""
        if parts.scheme not in {"", "file"}:
            return "", _clean(whole)
        path = unquote(parts.path, errors="surrogateescape")
        if path.startswith("/"):
            if not self._root or not path.startswith(f"{self._root}/"):
                return "", _clean(whole)
            path = path[len(self._root) + 1 :]
        pieces = PurePosixPath(path).parts
        if ".." in pieces or "\0" in path:
            return "", _clean(whole)
        return "/".join(pieces), ""


def _open_question(finding: Finding) -> Undecided:
    place = finding.location.path or finding.location.url
    return Undecided(
        subject=f"{finding.rule} {visible_text(place)}".strip(),
        reason=f"the tool could not tell whether this is so: {finding.message}",
        next_step=finding.fix,
    )


def _severity(result: _Object, rule: _Object) -> Severity:
    for properties in (_object(result, "properties"), _object(rule, "properties")):
        given = properties.get("security-severity")
        score = finite_decimal(given if isinstance(given, str) else None if given is None else str(given))
        if score is not None:
            bands = (severity for least, severity in _BANDS if score >= (finite_decimal(least) or 0))
            return next(bands, Severity.INFO)
    level = _string(result, "level") or _string(_object(rule, "defaultConfiguration"), "level")
    # An unknown level counts as the format's default, which is "warning".
    return _LEVELS.get(level, Severity.MEDIUM)


def _tool_name(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-.")[:60] or "sarif"


def _message_text(message: _Object) -> str:
    return _clean(_string(message, "text") or _string(message, "markdown"))


def _clean(text: str) -> str:
    """Return a text as one visible line without secrets."""
    line = " ".join(without_ansi(unicode_text(text[: 2 * _MAX_TEXT])).split())
    return redact_known(visible_text(line))[:_MAX_TEXT]


def _object(parent: _Object, name: str) -> _Object:
    value = parent.get(name)
    return value if isinstance(value, dict) else {}


def _objects(parent: _Object, name: str) -> list[_Object]:
    values = parent.get(name)
    return [value for value in values if isinstance(value, dict)] if isinstance(values, list) else []


def _string(parent: _Object, name: str) -> str:
    value = parent.get(name)
    return value if isinstance(value, str) else ""


def _number(parent: _Object, name: str, *, least: int = 1) -> int | None:
    value = parent.get(name)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= _MAX_NUMBER
    return value if good else None
