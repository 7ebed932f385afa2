"""OpenLineage: verdicts as run events with the assertions that were made about the data.

Marquez takes them at ``/api/v1/lineage``, DataHub at ``/openapi/openlineage/api/v1/lineage``, OpenMetadata and others
at paths of their own (the setting ``endpoint``). A run has two events, START and one of COMPLETE, FAIL and ABORT, as
the specification asks for; they are the same however often they are sent.

Source: https://openlineage.io/spec/2-0-2/OpenLineage.json, https://openlineage.io/docs/spec/facets/ (``errorMessage``
of runs 1-0-1, ``dataQualityAssertions`` of inputs 1-0-1) and https://docs.datahub.com/docs/lineage/openlineage.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from quilate.connectors.answers import require_success
from quilate.connectors.decided import decided_report
from quilate.deliveries.connector import (
    RUN_FINISHED,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    Outcome,
    RunReport,
    SecretSpec,
)

PRODUCER = "https://github.com/quilate/quilate"
SCHEMA = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = "https://openlineage.io/spec/facets"
_TYPES = {"PASS": "COMPLETE", "FAIL": "FAIL", "UNKNOWN": "ABORT"}
_PASSED = frozenset({"pass", "warn", "not_applicable"})
_UNMEASURED = frozenset({"undecided", "error", "timed_out", "cancelled", "skipped"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLineageSettings:
    """Where events go, and what they are about.

    Attributes:
        base_url: Address of the catalogue.
        endpoint: Path that takes run events.
        namespace: Namespace of the jobs, one for each installation.
        dataset_namespace: Namespace of the judged data, as the catalogue knows it; empty to name no dataset.
        dataset: Name of the judged data there; the subject's name by default.
    """

    base_url: str
    endpoint: str = "/api/v1/lineage"
    namespace: str = "quilate"
    dataset_namespace: str = ""
    dataset: str = ""


class OpenLineage:
    """Sends run events."""

    type: ClassVar[str] = "openlineage"
    kind: ClassVar[ConnectorKind] = ConnectorKind.CATALOG
    summary: ClassVar[str] = "Verdicts and assertions as OpenLineage events, for Marquez, DataHub and others"
    settings: ClassVar[Any] = OpenLineageSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="sent as Bearer, where the catalogue asks for one", required=False),
    )
    events: ClassVar[frozenset[str]] = frozenset({RUN_FINISHED})

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Send the end of a run.

        Raises:
            DeliveryError: The catalogue did not take it.
        """
        report = await decided_report(event, context)
        if isinstance(report, Outcome):
            return report
        end = run_event(event, report, context.settings)
        await self._send(context, start_event(event, report, end))
        await self._send(context, end)
        return Outcome(summary=f"sent {_TYPES[report.verdict]} of {report.project}")

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Ask the catalogue's address; whether it takes events shows with the first one."""
        settings: OpenLineageSettings = context.settings
        answer = await context.http.request("GET", settings.base_url, headers=self._headers(context))
        if answer.status in {401, 403}:
            require_success(answer, what="the catalogue")
        return Outcome(summary=f"{settings.base_url} answers")

    def _headers(self, context: DeliveryContext) -> dict[str, str]:
        token = context.secret("token")
        return {"authorization": f"Bearer {token}"} if token else {}

    async def _send(self, context: DeliveryContext, body: dict[str, Any]) -> None:
        settings: OpenLineageSettings = context.settings
        url = f"{settings.base_url.rstrip('/')}/{settings.endpoint.lstrip('/')}"
        answer = await context.http.request("POST", url, headers=self._headers(context), json_body=body)
        require_success(answer, what="the catalogue")


def run_event(event: DeliveredEvent, report: RunReport, settings: OpenLineageSettings) -> dict[str, Any]:
    """Return the event of a run's end; UNKNOWN is ABORT, for nothing was decided."""
    run_facets: dict[str, Any] = {}
    if report.verdict != "PASS":
        text = "\n".join([report.headline, *report.reasons])[:5_000]
        run_facets["errorMessage"] = _facet(
            "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet", message=text, programmingLanguage="policy"
        )
    inputs = []
    if settings.dataset_namespace:
        assertions = [
            {"assertion": f"{check.type} {check.id}", "success": check.result in _PASSED}
            for check in report.checks
            if check.result not in _UNMEASURED
        ]
        quality = _facet(
            "1-0-1/DataQualityAssertionsDatasetFacet.json#/$defs/DataQualityAssertionsDatasetFacet",
            assertions=assertions,
        )
        inputs.append(
            {
                "namespace": settings.dataset_namespace,
                "name": settings.dataset or report.subject_name,
                "inputFacets": {"dataQualityAssertions": quality},
            }
        )
    return {
        "eventType": _TYPES[report.verdict],
        "eventTime": (report.ended_at or event.time).isoformat(),
        "producer": PRODUCER,
        "schemaURL": SCHEMA,
        "run": {"runId": str(report.id), "facets": run_facets},
        "job": {"namespace": settings.namespace, "name": f"{report.project}.gate", "facets": {}},
        "inputs": inputs,
        "outputs": [],
    }


def start_event(event: DeliveredEvent, report: RunReport, end: Mapping[str, Any]) -> dict[str, Any]:
    """Return the event of the start of the run that another event ends: what was found out is not in it."""
    moment = report.started_at or report.submitted_at or report.ended_at or event.time
    inputs = [{"namespace": each["namespace"], "name": each["name"]} for each in end["inputs"]]
    run = {"runId": str(report.id), "facets": {}}
    return {**end, "eventType": "START", "eventTime": moment.isoformat(), "run": run, "inputs": inputs}


def _facet(place: str, **content: Any) -> dict[str, Any]:
    return {"_producer": PRODUCER, "_schemaURL": f"{_FACETS}/{place}", **content}
