"""The connectors by name. A line is ``"module:Class"``, imported when the connector is needed."""

from importlib import import_module
from types import MappingProxyType

from quilate.deliveries.connector import Connector
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint

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
    "openmetadata": "quilate.connectors.catalogs.openmetadata:OpenMetadata",
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
