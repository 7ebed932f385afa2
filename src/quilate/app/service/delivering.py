"""What deliveries stand on, from the settings."""

from quilate.app.service.ground import address_policy, secrets_of
from quilate.app.service.settings import Settings
from quilate.connectors.registry import RegisteredConnectors
from quilate.deliveries.reports import ReportReader
from quilate.deliveries.sending import SendingParts
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.database.database import Database
from quilate.kit.secrets.opened import OpenedWhenUsed
from quilate.ops.breakers import audit_transition
from quilate.outbox.breakers import Breakers


def sending_parts(settings: Settings, database: Database, artifacts: ArtifactStore) -> SendingParts:
    """Return what connections are tried and deliveries sent with; the key of secrets is read when it is needed."""
    return SendingParts(
        database=database,
        box=OpenedWhenUsed(lambda: secrets_of(settings)),
        catalog=RegisteredConnectors(),
        reports=ReportReader(database, artifacts, settings.base_url),
        policy=address_policy(settings),
        breakers=Breakers(database, audit_transition),
    )
