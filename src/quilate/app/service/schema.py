"""Every migration of the service, oldest first. A released line never changes; new ones go to the end."""

from quilate.kit.database.migrations import Migration, read_migrations

MIGRATIONS = (
    "quilate.accounts:migrations/0001_accounts.sql",
    "quilate.audit:migrations/0001_audit.sql",
    "quilate.outbox:migrations/0001_outbox.sql",
    "quilate.kit.web:migrations/0001_idempotency.sql",
    "quilate.datasets:migrations/0001_datasets.sql",
    "quilate.blueprints.registry:migrations/0001_blueprints.sql",
    "quilate.runs.durable:migrations/0001_runs.sql",
    "quilate.waivers.requests:migrations/0001_waivers.sql",
    "quilate.runs.schedules:migrations/0001_schedules.sql",
    "quilate.accounts:migrations/0002_identity.sql",
    "quilate.kit.secrets:migrations/0001_secrets.sql",
    "quilate.runs.durable:migrations/0002_pull_requests.sql",
    "quilate.runs.triggers:migrations/0001_triggers.sql",
    "quilate.waivers.requests:migrations/0002_reminders.sql",
    "quilate.deliveries:migrations/0001_deliveries.sql",
    "quilate.ops.comments:migrations/0001_comments.sql",
    "quilate.scripts.versions:migrations/0001_scripts.sql",
    "quilate.scripts.executions:migrations/0001_executions.sql",
    "quilate.scripts.payloads:migrations/0001_payloads.sql",
    "quilate.scripts.exports:migrations/0001_exports.sql",
)


def service_migrations() -> tuple[Migration, ...]:
    """Return the migrations with their texts."""
    return read_migrations(MIGRATIONS)
