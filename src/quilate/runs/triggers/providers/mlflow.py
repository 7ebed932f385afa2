"""The model registry's deliveries.

Source: MLflow, "Webhooks": entity, action, timestamp and data; ``model_version.created`` carries name and version.
"""

from collections.abc import Mapping
from typing import Any

from quilate.runs.triggers.model import EventFacts, EventKind, Provider
from quilate.runs.triggers.providers.payload import Reading, moment, text


def read(headers: Mapping[str, str], document: Mapping[str, Any]) -> Reading:
    """Return what a delivery says."""
    del headers
    entity, action = text(document, "entity", most=64), text(document, "action", most=64)
    name = text(document, "data", "name")
    new_version = entity == "model_version" and action == "created"
    return (
        EventFacts(
            provider=Provider.MLFLOW.value,
            kind=EventKind.MODEL_VERSION if new_version else EventKind.OTHER,
            type=f"{entity}.{action}",
            action="registered" if new_version else action,
            subject=name,
            version=text(document, "data", "version"),
            order_key=f"mlflow:{name}",
            occurred_at=moment(document, "timestamp"),
        ),
    )


def version_identity(name: str, version: str) -> str:
    """Return the id of the event of a new version: the same whether a webhook or a look brought it."""
    return f"model-version:{name}:{version}"
