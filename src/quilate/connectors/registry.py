"""The connectors by name. A line is ``"module:Class"``, imported when the connector is needed."""

from importlib import import_module
from types import MappingProxyType

from quilate.deliveries.connector import Connector
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint

_TARGETS = {
    "email": "quilate.connectors.notify.email:Email",
    "gitea": "quilate.connectors.forges.gitea:Gitea",
    "github-issues": "quilate.connectors.tickets.github_issues:GitHubIssues",
    "gitlab-issues": "quilate.connectors.tickets.gitlab_issues:GitLabIssues",
    "jira": "quilate.connectors.tickets.jira:Jira",
    "mlflow": "quilate.connectors.registries.mlflow:MLflow",
    "openlineage": "quilate.connectors.catalogs.openlineage:OpenLineage",
    "slack": "quilate.connectors.notify.slack:Slack",
    "teams": "quilate.connectors.notify.teams:Teams",
    "webhook": "quilate.connectors.notify.webhook:Webhook",
}

CONNECTOR_TYPES = MappingProxyType(_TARGETS)
"""Every known connector and where it is."""


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
        ConfigurationError: There is no such connector; names the nearest one.
    """
    target = CONNECTOR_TYPES.get(connector_type)
    if target is None:
        raise ConfigurationError(
            f"unknown connector {connector_type!r}{nearest_hint(connector_type, CONNECTOR_TYPES)}",
            next_step="`quilate connector list` shows all",
        )
    module_name, class_name = target.split(":")
    connector: Connector = getattr(import_module(module_name), class_name)()
    return connector


class RegisteredConnectors:
    """The registry as deliveries ask for it."""

    @staticmethod
    def names() -> tuple[str, ...]:
        """Return all names in their order."""
        return tuple(sorted(CONNECTOR_TYPES))

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
