"""Run bandit over explicit files and notebooks and read its findings.

Source: bandit's JSON formatter (https://bandit.readthedocs.io/en/latest/formatters/json.html), version 1.8 and 1.9.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from quilate.checks.api import Context, Tool
from quilate.checks.security.severity_map import rule_fix
from quilate.checks.source_files import PythonFiles, Source, UnparsedError, batches, one_sentence, read_source
from quilate.domain.errors import EvidenceError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import Finding, FindingKind, Location
from quilate.kit.process.model import ProcessLimits

BANDIT = Tool(name="bandit", install="pip install 'quilate[code]'", distribution="bandit")
_OUTPUT_BYTES = 512 << 20
_QUOTES_A_PASSWORD = frozenset({"B105", "B106", "B107"})


class _Error(msgspec.Struct):
    filename: str
    reason: str


class _Result(msgspec.Struct):
    filename: str
    issue_severity: str
    issue_text: str
    line_number: int
    col_offset: int
    test_id: str
    more_info: str = ""


class _Report(msgspec.Struct):
    errors: list[_Error]
    metrics: dict[str, msgspec.Raw]
    results: list[_Result]


def run_bandit(context: Context, files: PythonFiles) -> tuple[list[Finding], list[Finding], dict[str, str]]:
    """Return all findings, those left when ``nosec`` comments are obeyed, and the files that were not analysed.

    Every file is copied as plain Python under a number, so that a notebook is code like any other and no path decides
    whether bandit opens it.

    Raises:
        ToolMissingError: bandit is not installed.
        EvidenceError: bandit failed or wrote something else than its report.
    """
    unparsed = dict(files.unparsed)
    sources: dict[str, Source] = {}
    folder = context.scratch / "bandit"
    folder.mkdir(exist_ok=True)
    for number, path in enumerate(files.paths):
        try:
            source = read_source(context.workspace, path)
        except UnparsedError as error:
            unparsed[path] = str(error)
            continue
        name = f"{number:07}.py"
        (folder / name).write_bytes(_as_utf8(source.text))
        sources[name] = source
    everything = _look(context, folder, sources, unparsed, ("--ignore-nosec",))
    kept = _look(context, folder, sources, unparsed, ())
    return (
        [finding for finding in everything if finding.location.path not in unparsed],
        [finding for finding in kept if finding.location.path not in unparsed],
        unparsed,
    )


def _as_utf8(text: str) -> bytes:
    """Return the text in UTF-8 with its mark, which outweighs any other encoding that its first lines declare."""
    first, _, rest = text.partition("\n")
    second, _, tail = rest.partition("\n")
    lines = [line.replace("coding", "c0ding") if line.lstrip().startswith("#") else line for line in (first, second)]
    return "\n".join((*lines, tail)).encode("utf-8", "replace")


def _look(
    context: Context, folder: Path, sources: dict[str, Source], unparsed: dict[str, str], options: Sequence[str]
) -> list[Finding]:
    program = context.tool(BANDIT)
    findings: list[Finding] = []
    for group in batches(sorted(sources)):
        argv = [program, "--format", "json", "--quiet", "--exclude", "", *options, *group]
        result = context.run(
            argv, directory=folder, limits=ProcessLimits(wall_seconds=context.timeout, output_bytes=_OUTPUT_BYTES)
        )
        try:
            report = msgspec.json.decode(result.stdout, type=_Report)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = one_sentence(result.stderr.decode("utf-8", "replace")[-400:])
            raise EvidenceError(f"bandit failed: {reason}", next_step="run bandit by hand to see why") from error
        for failed in report.errors:
            unparsed[sources[Path(failed.filename).name].path] = f"made bandit say: {one_sentence(failed.reason)}"
        analysed = {Path(name).name for name in report.metrics}
        for name in group:
            if name not in analysed:
                unparsed.setdefault(sources[name].path, "was left out by bandit")
        findings.extend(_finding(one, sources[Path(one.filename).name]) for one in report.results)
    return sorted(findings, key=_order)


def _order(finding: Finding) -> tuple[str, int, int, int, str]:
    place = finding.location
    return place.path, place.cell or 0, place.line or 0, place.column or 0, finding.rule


def _finding(result: _Result, source: Source) -> Finding:
    cell, line = source.place(result.line_number)
    message = one_sentence(result.issue_text)
    if result.test_id in _QUOTES_A_PASSWORD:
        message = message.partition(":")[0]
    severity = result.issue_severity.casefold()
    return Finding(
        rule=RuleId(f"bandit/{result.test_id}"),
        kind=FindingKind.VULNERABILITY,
        severity=Severity(severity) if severity in {"low", "medium", "high"} else Severity.MEDIUM,
        message=message,
        location=Location(path=source.path, cell=cell, line=line, column=result.col_offset + 1),
        measured=f"code that {result.test_id} describes",
        limit="none",
        fix=rule_fix(result.test_id, message),
        help_url=result.more_info,
    )
