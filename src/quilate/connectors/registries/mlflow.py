"""MLflow: verdicts as tags of the model versions that they are about.

Source: https://mlflow.org/docs/latest/rest-api.html#set-model-version-tag (keys to 250 bytes, values to 5,000). A tag
that is there is replaced, so that a repeated delivery changes nothing. Rights: EDIT on the registered model.
"""

import base64
from dataclasses import dataclass
from typing import Any, ClassVar

from quilate.connectors.answers import require_success
from quilate.deliveries.connector import (
    RUN_FINISHED,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    Outcome,
    OutcomeKind,
    RunReport,
    SecretSpec,
)

_LONGEST_VALUE_BYTES = 4_900


@dataclass(frozen=True, slots=True, kw_only=True)
class MLflowSettings:
    """Where the registry is.

    Attributes:
        base_url: Address of the tracking server.
        prefix: What the tags' names begin with.
    """

    base_url: str
    prefix: str = "quilate."


class MLflow:
    """Sets tags."""

    type: ClassVar[str] = "mlflow"
    kind: ClassVar[ConnectorKind] = ConnectorKind.REGISTRY
    summary: ClassVar[str] = "The verdict as tags of the model version in an MLflow registry"
    settings: ClassVar[Any] = MLflowSettings
    secrets: ClassVar[tuple[SecretSpec, ...]] = (
        SecretSpec(name="username", meaning="where the server asks for one", required=False),
        SecretSpec(name="password", meaning="of that user, who needs EDIT on the models", required=False),
        SecretSpec(name="token", meaning="sent as Bearer instead of a user", required=False),
    )
    events: ClassVar[frozenset[str]] = frozenset({RUN_FINISHED})

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Tag the version that a run was about.

        Raises:
            DeliveryError: The registry did not take it.
        """
        if event.type != RUN_FINISHED or event.run_id is None:
            return Outcome(summary="not the end of a run", kind=OutcomeKind.NOTHING_TO_DO)
        report = await context.report(event.run_id)
        named = model_of(report)
        if named is None or not report.verdict or report.superseded:
            return Outcome(summary="no verdict about a model version", kind=OutcomeKind.NOTHING_TO_DO)
        name, version = named
        for key, value in tags_of(report).items():
            body = {"name": name, "version": version, "key": f"{context.settings.prefix}{key}", "value": value}
            await self._call(context, "POST", "/api/2.0/mlflow/model-versions/set-tag", body)
        return Outcome(
            summary=f"tagged {name} version {version} {report.verdict}", reference=f"models:/{name}/{version}"
        )

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Read one registered model."""
        await self._call(context, "GET", "/api/2.0/mlflow/registered-models/search?max_results=1", None)
        return Outcome(summary="the registry answers")

    async def _call(self, context: DeliveryContext, method: str, path: str, body: Any) -> None:
        headers = {}
        if context.secret("token"):
            headers["authorization"] = f"Bearer {context.secret('token')}"
        elif context.secret("username"):
            login = f"{context.secret('username')}:{context.secret('password')}".encode()
            headers["authorization"] = f"Basic {base64.b64encode(login).decode()}"
        url = f"{context.settings.base_url.rstrip('/')}{path}"
        require_success(await context.http.request(method, url, headers=headers, json_body=body), what="MLflow")


def model_of(report: RunReport) -> tuple[str, str] | None:
    """Return name and version of the model that a run was about, as MLflow's own event named them."""
    trigger = report.trigger
    if trigger is None or trigger.provider != "mlflow" or not trigger.subject or not trigger.version:
        return None
    return trigger.subject, trigger.version


def tags_of(report: RunReport) -> dict[str, str]:
    """Return the tags of a verdict, without prefix."""
    tags = {
        "verdict": report.verdict,
        "run": report.url,
        "decision": report.decision_digest,
        "blueprint": f"{report.blueprint} {report.blueprint_digest}".strip(),
        "reasons": "\n".join([report.headline, *report.reasons]),
    }
    return {key: _shortened(value) for key, value in tags.items() if value}


def _shortened(text: str) -> str:
    return text.encode()[:_LONGEST_VALUE_BYTES].decode("utf-8", "ignore")
