"""What the slice asks of whoever knows the connectors; ``quilate.connectors.registry`` does."""

import dataclasses
from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from quilate.deliveries.connector import Connector
from quilate.domain.errors import ConfigurationError


class ConnectorCatalog(Protocol):
    """The connectors by name."""

    def names(self) -> tuple[str, ...]:
        """Return all names in their order."""
        ...

    def load(self, connector_type: str) -> Connector:
        """Return a connector.

        Raises:
            ConfigurationError: There is none of that name.
        """
        ...


def settings_of(connector: Connector, given: Mapping[str, Any]) -> Any:
    """Return settings as the connector's own dataclass.

    Raises:
        ConfigurationError: A name is unknown, missing, or its value of another kind.
    """
    known = {field.name for field in dataclasses.fields(connector.settings)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigurationError(
            f"{connector.type} has no setting {unknown[0]!r}",
            next_step=f"it has: {', '.join(sorted(known)) or 'none'}",
        )
    try:
        return msgspec.convert(dict(given), connector.settings)
    except (msgspec.ValidationError, ValueError) as error:
        raise ConfigurationError(
            f"the settings of {connector.type} are not right: {error}",
            next_step=f"`quilate connector show {connector.type}` lists them",
        ) from error


def described_settings(connector: Connector) -> dict[str, Any]:
    """Return the JSON Schema of a connector's settings."""
    schema: dict[str, Any] = msgspec.json.schema(connector.settings)
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    return dict(schema.get("$defs", {}).get(name, schema))
