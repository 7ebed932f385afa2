"""Events in the words of CDEvents, for what that specification has words for: pipeline runs and task runs.

Source: https://github.com/cdevents/spec, version 0.4: ``core.md`` (``dev.cdevents.pipelinerun.queued.0.2.0`` and
``.finished.0.2.0``) and ``spec.md`` (context and subject).
"""

from typing import Any

from quilate.deliveries.connector import RUN_FINISHED, RUN_QUEUED, DeliveredEvent, RunReport

_OUTCOMES = {"PASS": "success", "FAIL": "failure", "UNKNOWN": "error"}
_VERSION = "0.4.1"


def cdevent(event: DeliveredEvent, report: RunReport | None) -> dict[str, Any] | None:
    """Return an event, or nothing where the specification has no word for it."""
    source = f"/quilate/projects/{event.project}"
    content: dict[str, Any] = {"pipelineName": event.project}
    if report is not None:
        content["url"] = report.url
    if event.type == RUN_QUEUED:
        kind = "dev.cdevents.pipelinerun.queued.0.2.0"
    elif event.type == RUN_FINISHED:
        kind = "dev.cdevents.pipelinerun.finished.0.2.0"
        verdict = report.verdict if report is not None else str(event.data.get("verdict") or "")
        content["outcome"] = _OUTCOMES.get(verdict, "cancel" if report and report.status == "cancelled" else "error")
        if report is not None and report.verdict != "PASS":
            content["errors"] = "\n".join([report.headline, *report.reasons])[:4000]
    else:
        return None
    return {
        "context": {
            "version": _VERSION,
            "id": str(event.id),
            "source": source,
            "type": kind,
            "timestamp": event.time.isoformat(),
        },
        "subject": {
            "id": event.subject.partition(":")[2] or event.subject,
            "source": source,
            "type": "pipelineRun",
            "content": content,
        },
    }
