"""The connectors by name. A line is ``"module:Class"``, imported when the connector is needed.

Installed plugins add connectors through the entry points ``quilate.connectors``; they never take a name of this file.
"""

from importlib import import_module
from types import MappingProxyType
from typing import cast

from quilate.deliveries.connector import Connector
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint
from quilate.kit.plugins import CONNECTORS, PluginNames

_TARGETS = {
    "bitbucket": "quilate.connectors.forges.bitbucket:Bitbucket",
    "datahub": "quilate.connectors.catalogs.datahub:DataHub",
    "email": "quilate.connectors.notify.email:Email",
    "gitea": "quilate.connectors.forges.gitea:Gitea",
    "github": "quilate.connectors.forges.github:GitHub",
    "github-issues": "quilate.connectors.tickets.github_issues:GitHubIssues",
    "gitlab": "quilate.connectors.forges.gitlab:GitLab",
    "gitlab-issues": "quilate.connectors.tickets.gitlab_issues:GitLabIssues",
    "jira": "quilate.connectors.tickets.jira:Jira",
    "mlflow": "quilate.connectors.registries.mlflow:MLflow",
    "openlineage": "quilate.connectors.catalogs.openlineage:OpenLineage",
    "slack": "quilate.connectors.notify.slack:Slack",
    "teams": "quilate.connectors.notify.teams:Teams",
    "webhook": "quilate.connectors.notify.webhook:Webhook",
}

CONNECTOR_TYPES = MappingProxyType(_TARGETS)
"""Every connector that Quilate brings or a module has registered, and where it is; plugins' are not in it."""


def _owner(connector_type: str) -> str:
    module = CONNECTOR_TYPES.get(connector_type, "").partition(":")[0]
    return "Quilate" if module.startswith("quilate.") else module


PLUGIN_CONNECTORS = PluginNames(
    group=CONNECTORS,
    noun="connector",
    form="of the form status-board",
    pattern=r"[a-z][a-z0-9]*(-[a-z0-9]+)*",
    owner=_owner,
)
"""The connectors that installed plugins bring."""


def connector_types() -> tuple[str, ...]:
    """Return every known connector in its order, those of plugins included."""
    return tuple(sorted({*CONNECTOR_TYPES, *PLUGIN_CONNECTORS.usable()}))


def register_connector(connector_type: str, target: str) -> None:
    """Add a connector that lives outside Quilate, as ``"module:Class"``, for this process.

    Raises:
        ConfigurationError: The name is taken.
    """
    if _TARGETS.setdefault(connector_type, target) != target:
        raise ConfigurationError(f"the connector {connector_type!r} is taken", next_step="choose another name")


def load_connector(connector_type: str) -> Connector:
    """Return an instance of the connector.

    Raises:
        ConfigurationError: There is no such connector; names the nearest one. Or a plugin that brings it is broken.
    """
    target = CONNECTOR_TYPES.get(connector_type)
    if target is None:
        return _load_plugin(connector_type)
    module_name, class_name = target.split(":")
    connector: Connector = getattr(import_module(module_name), class_name)()
    return connector


def _load_plugin(connector_type: str) -> Connector:
    found, quarrel = PLUGIN_CONNECTORS.usable().get(connector_type), PLUGIN_CONNECTORS.quarrel(connector_type)
    if found is None:
        reason = f"unknown connector {connector_type!r}{nearest_hint(connector_type, connector_types())}"
        raise ConfigurationError(
            reason if quarrel is None else quarrel.reason,
            next_step="`quilate connector list` shows all" if quarrel is None else "remove all of them but one",
        )
    from quilate.connectors.plugins import plugin_connector  # noqa: PLC0415 - only where plugins are

    return cast("Connector", plugin_connector(found))


class RegisteredConnectors:
    """The registry as deliveries ask for it."""

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return all names in their order."""
        return connector_types()

    @staticmethod
    def load(connector_type: str) -> Connector:
        """Return a connector.

        Raises:
            ConfigurationError: There is none of that name, or it cannot be loaded here.
        """
        try:
            return load_connector(connector_type)
        except (ImportError, AttributeError) as error:
            raise ConfigurationError(
                f"the connector {connector_type!r} cannot be loaded: {type(error).__name__}",
                next_step="install what it needs, or remove the plug-in that registers it",
            ) from error
