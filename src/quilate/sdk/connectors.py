"""What a connector of a plugin is made of.

A connector is a class with the attributes and methods of ``Connector``. Its distribution names it in
``pyproject.toml``::

    [project.entry-points."quilate.connectors"]
    status-board = "quilate_status_board.connector:StatusBoard"

Delivery is at least once: a connector finds what an earlier attempt has made and edits it in place. Its requests go
through ``context.http``, which keeps them out of the installation's own networks. ``require_success`` turns an answer
into the right ``DeliveryError``; any other exception is a fault of the plugin and tried again later.
"""

from quilate.deliveries.answers import require_success, retry_after
from quilate.deliveries.connector import (
    ALL_EVENTS,
    RUN_FINISHED,
    RUN_QUEUED,
    Connector,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    NoSettings,
    Outcome,
    OutcomeKind,
    ReportedCheck,
    ReportedFinding,
    RunReport,
    SecretSpec,
)
from quilate.kit.outgoing.http import OutgoingAnswer, OutgoingError, OutgoingHttp

__all__ = [
    "ALL_EVENTS",
    "RUN_FINISHED",
    "RUN_QUEUED",
    "Connector",
    "ConnectorKind",
    "DeliveredEvent",
    "DeliveryContext",
    "DeliveryError",
    "NoSettings",
    "Outcome",
    "OutcomeKind",
    "OutgoingAnswer",
    "OutgoingError",
    "OutgoingHttp",
    "ReportedCheck",
    "ReportedFinding",
    "RunReport",
    "SecretSpec",
    "require_success",
    "retry_after",
]
