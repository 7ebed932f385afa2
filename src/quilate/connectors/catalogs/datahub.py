"""DataHub: the verdict and every check as assertions of a dataset, with the result of each run.

An assertion is a custom one, which DataHub asks of checks that are defined and evaluated elsewhere; its URN is made of
what it is about, so that every run adds to the same history. Assertions and results are written together by
``POST /openapi/v3/entity/assertion``; a result that is sent again has the same moment and takes the place of itself.

Source: https://docs.datahub.com/docs/generated/metamodel/entities/assertion (``assertionInfo``, ``assertionRunEvent``,
``dataPlatformInstance``), https://docs.datahub.com/docs/api/openapi/openapi-usage-guide, and the requests that
DataHub's own client, ``acryl-datahub`` 1.7, makes of these aspects.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote

from quilate.connectors.answers import require_success
from quilate.connectors.decided import decided_report
from quilate.deliveries.connector import (
    RUN_FINISHED,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    Outcome,
    ReportedCheck,
    RunReport,
    SecretSpec,
)

_PLATFORM = "urn:li:dataPlatform:quilate"
_BATCH = 50
_LONGEST_TEXT = 2_000
_NOT_FOUND = 404
_RESULTS = {
    "PASS": "SUCCESS",
    "FAIL": "FAILURE",
    "UNKNOWN": "ERROR",
    "pass": "SUCCESS",
    "warn": "SUCCESS",
    "fail": "FAILURE",
}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# What parts a URN; DataHub's own client writes these, and no others, by their codes.
_RESERVED = {ord(character): quote(character) for character in ",()\u241f"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataHubSettings:
    """Where DataHub is, and which of its datasets the verdicts are about.

    Attributes:
        base_url: Of the metadata service, ``https://HOST:8080``, or through the frontend, ``https://HOST/api/gms``.
        platform: The dataset's platform as DataHub knows it, such as ``postgres`` or ``s3``.
        dataset: The dataset's name there.
        environment: Its environment there.
    """

    base_url: str
    platform: str
    dataset: str
    environment: str = "PROD"

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.platform) or not _NAME.fullmatch(self.environment) or not self.dataset.strip():
            raise ValueError("`platform`, `dataset` and `environment` are those of the dataset in DataHub")

    @property
    def urn(self) -> str:
        """The dataset's name in DataHub."""
        name = self.dataset.translate(_RESERVED)
        return f"urn:li:dataset:(urn:li:dataPlatform:{self.platform},{name},{self.environment})"


class DataHub:
    """Writes assertions."""

    type: ClassVar[str] = "datahub"
    kind: ClassVar[ConnectorKind] = ConnectorKind.CATALOG
    summary: ClassVar[str] = "The verdict and each check as assertions of a dataset in DataHub"
    settings: ClassVar[Any] = DataHubSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="token", meaning="access token of who may edit assertions of the dataset", required=False),
    )
    events: ClassVar[frozenset[str]] = frozenset({RUN_FINISHED})

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Write the results of a run.

        Raises:
            DeliveryError: DataHub did not take them.
        """
        report = await decided_report(event, context)
        if isinstance(report, Outcome):
            return report
        entities = list(assertions(event, report, context.settings))
        for begin in range(0, len(entities), _BATCH):
            path = "/openapi/v3/entity/assertion?async=false"
            await self._call(context, "POST", path, entities[begin : begin + _BATCH])
        return Outcome(
            summary=f"wrote {len(entities)} assertions of {context.settings.dataset}", reference=entities[0]["urn"]
        )

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Read the dataset; whether assertions of it may be edited shows with the first one."""
        settings: DataHubSettings = context.settings
        path = f"/openapi/v3/entity/dataset/{quote(settings.urn, safe='')}"
        await self._call(context, "GET", path, None)
        return Outcome(summary=f"DataHub knows {settings.dataset}")

    async def _call(self, context: DeliveryContext, method: str, path: str, body: Any) -> None:
        token = context.secret("token")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        url = f"{context.settings.base_url.rstrip('/')}{path}"
        answer = await context.http.request(method, url, headers=headers, json_body=body)
        if method == "GET" and answer.status == _NOT_FOUND:
            raise DeliveryError(
                f"DataHub knows no dataset {context.settings.urn}",
                next_step="take platform, dataset and environment from its page in DataHub",
                permanent=True,
            )
        require_success(answer, what="DataHub")


def assertions(event: DeliveredEvent, report: RunReport, settings: DataHubSettings) -> Iterator[dict[str, Any]]:
    """Give the verdict, then each check that applies, as DataHub's client writes an entity with its aspects."""
    moment = report.ended_at or event.time
    shared = {
        "timestampMillis": int(moment.timestamp() * 1000),
        "runId": str(report.id),
        "asserteeUrn": settings.urn,
        "status": "COMPLETE",
        "partitionSpec": {"type": "FULL_TABLE", "partition": "FULL_TABLE_SNAPSHOT"},
    }
    told = "\n".join([report.headline, *report.reasons])
    native = {"verdict": report.verdict, "blueprint": report.blueprint, "decision": report.decision_digest}
    verdict = _info(settings, "Quilate gate", f"The gate of {report.project}: {report.blueprint}", report.url)
    yield _entity(_urn(settings, report, ""), verdict, shared, _result(report.verdict, told, native, report.url))
    for check in report.checks:
        if check.result != "not_applicable":
            info = _info(settings, f"Quilate {check.type}", f"{check.id} ({check.stage})", check.url)
            native = {"result": check.result, "required": str(check.required).lower(), "blueprint": report.blueprint}
            result = _result(check.result, check.reason, native, check.url)
            yield _entity(_urn(settings, report, _named(check)), info, shared, result)


def _named(check: ReportedCheck) -> str:
    return f"{check.type}\0{check.id}"


def _urn(settings: DataHubSettings, report: RunReport, check: str) -> str:
    """Return the URN of an assertion: the same one in every run."""
    name = f"{settings.urn}\0{report.project}\0{check}"
    return f"urn:li:assertion:{hashlib.sha256(name.encode()).hexdigest()[:32]}"


def _info(settings: DataHubSettings, kind: str, description: str, url: str) -> dict[str, Any]:
    return {
        "type": "CUSTOM",
        "customAssertion": {"type": kind, "entity": settings.urn},
        "source": {"type": "EXTERNAL"},
        "description": description[:_LONGEST_TEXT],
        **({"externalUrl": url} if url else {}),
    }


def _result(result: str, reason: str, native: dict[str, str], url: str) -> dict[str, Any]:
    """Return a result; what was not measured is an error, so that an older success does not stand for it."""
    kind = _RESULTS.get(result, "ERROR")
    said = {"reason": reason[:_LONGEST_TEXT]} if reason else {}
    return {
        "type": kind,
        "nativeResults": {name: value for name, value in {**native, **said}.items() if value},
        **({"externalUrl": url} if url else {}),
        **({"error": {"type": "UNKNOWN_ERROR", "properties": said}} if kind == "ERROR" else {}),
    }


def _entity(urn: str, info: dict[str, Any], shared: dict[str, Any], result: dict[str, Any]) -> dict[str, Any]:
    return {
        "urn": urn,
        "assertionInfo": {"value": info},
        "dataPlatformInstance": {"value": {"platform": _PLATFORM}},
        "assertionRunEvent": {"value": {**shared, "assertionUrn": urn, "result": result}},
    }
