"""A run as JSON, SARIF 2.1.0 or JUnit XML."""

import json
import re
from collections.abc import Sequence
from typing import Any

from quilate import __version__
from quilate.domain.errors import ConfigurationError
from quilate.evidence.junit import junit_xml
from quilate.evidence.model import Finding
from quilate.evidence.report import ReportedCheck, ReportedFinding, WaiverNote
from quilate.evidence.safe_text import unicode_text
from quilate.evidence.sarif import sarif_document
from quilate.kit.canonical import to_document
from quilate.policy.explanation import explain, render_explanation
from quilate.runs.report import RunReport

_UNPRINTABLE = re.compile(
    "[\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Characters that command a terminal or hide in text, and that neither JSON nor XML escapes by itself."""


def document_of(reports: Sequence[RunReport], output_format: str) -> str:
    """Return the document of one run, or of several projects' runs together.

    SARIF and JUnit hold all projects in one document, paths below each project's directory; JSON is a list where there
    are several.
    """
    if output_format == "json":
        documents = [json_document(report) for report in reports]
        return json_text(documents[0] if len(documents) == 1 else documents)
    checks = tuple(check for report in reports for check in reported_checks(report))
    first = reports[0]
    if output_format == "sarif":
        document = sarif_document(
            tool_version=__version__,
            checks=checks,
            automation_id=f"{first.plan.blueprint.document.id}/{first.number}",
            revision=first.subject.revision,
            branch=first.subject.branch,
        )
        return json_text(document)
    if output_format == "junit":
        return _UNPRINTABLE.sub(lambda found: f"&#{ord(found[0])};", junit_xml(checks))
    raise ConfigurationError(f"unknown format {output_format!r}", next_step="use json, sarif or junit")


def json_text(document: Any) -> str:
    """Return JSON for a file or a terminal: what is no printable character is an escape, all others stay readable."""
    text = unicode_text(json.dumps(document, indent=2, ensure_ascii=False))
    return _UNPRINTABLE.sub(lambda found: json.dumps(found[0])[1:-1], text)


def json_document(report: RunReport) -> dict[str, Any]:
    """Return the decision with its explanation and everything that each check left."""
    explanation = explain(report.decision, report.decision_input, run=report.number) if report.decision else None
    return {
        "format": "quilate-run/v1",
        "run": report.number,
        "exit_code": int(report.exit_code),
        "verdict": report.decision.verdict.value if report.decision else None,
        "started_at": report.started_at,
        "duration_seconds": round(report.duration_seconds, 3),
        "decision": to_document(report.decision),
        "explanation": render_explanation(explanation) if explanation else [],
        "comparison": to_document(report.comparison),
        "checks": [
            {
                "id": check_id,
                "result": report.results[check_id].value,
                "attempts": to_document(run.attempts),
            }
            for check_id, run in report.runs.items()
        ],
        "notes": list(report.notes),
        "seal": report.seal_digest,
    }


def reported_checks(report: RunReport) -> tuple[ReportedCheck, ...]:
    """Return the run's checks in the evidence floor's own words."""
    notes = _waiver_notes(report)
    baseline = report.decision_input.baseline
    checks = []
    for judged in report.decision_input.checks:
        run = report.runs[judged.check_id]
        findings = tuple(
            ReportedFinding(finding=finding, state=_state(finding, baseline), waiver=notes.get(finding.fingerprint))
            for finding in judged.findings
        )
        evidence = run.last.evidence if run.attempts else None
        checks.append(
            ReportedCheck(
                check_id=judged.check_id,
                type=judged.type,
                stage=judged.stage,
                result=report.results[judged.check_id],
                completion=judged.completion,
                reason=judged.reason,
                next_step=judged.next_step,
                findings=findings,
                undecided=judged.undecided,
                test_attempts=evidence.test_attempts if evidence else (),
                duration_seconds=run.last.duration_seconds if run.attempts else 0.0,
            )
        )
    return tuple(checks)


def _state(finding: Finding, baseline: Any) -> str:
    if baseline is None:
        return ""
    return "unchanged" if finding.fingerprint in baseline.fingerprints else "new"


def _waiver_notes(report: RunReport) -> dict[str, WaiverNote]:
    notes: dict[str, WaiverNote] = {}
    for use in report.decision.waivers if report.decision else ():
        for fingerprint in use.fingerprints:
            notes[fingerprint] = WaiverNote(
                justification=f"{use.reason} (by {use.owner} until {use.until})",
                inline=not use.source.startswith("quilate.yaml"),
                effective=use.effective,
            )
    return notes
