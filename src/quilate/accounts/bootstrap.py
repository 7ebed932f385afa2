"""The first administrator, and the way back for a lost one: a one-time link for whoever runs the service."""

from quilate.accounts import store
from quilate.accounts.addresses import normal_email
from quilate.accounts.links import new_link, store_link
from quilate.accounts.model import SYSTEM
from quilate.accounts.records import LinkPurpose
from quilate.audit.entries import AuditEntry, append_entries
from quilate.domain.errors import ConfigurationError
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7


async def first_admin_link(database: Database, base_url: str) -> str | None:
    """Return a link by which the first administrator chooses name, e-mail address and password.

    It opens once, within 24 hours, and only while there is no administrator; an earlier one opens no more.

    Args:
        database: The service's database.
        base_url: Where people reach the service.

    Returns:
        The link, or ``None`` where an administrator can log in already.
    """
    link = new_link(LinkPurpose.FIRST_ADMIN, None)

    async def work(connection: Connection) -> bool:
        if await store.many(connection, "administrators"):
            return False
        if await store_link(connection, link):
            entry = AuditEntry(action="first-admin.link-created", actor=str(SYSTEM), subject=f"link:{link.id}")
            await append_entries(connection, [entry])
        return True

    return link.address(base_url) if await database.run(work) else None


async def recovery_link(database: Database, base_url: str, email: str) -> str:
    """Return a link by which a person becomes an administrator again, for whoever runs the service.

    Who uses it sets a password, is active and an administrator, and every earlier login of theirs ends. A person that
    is not known yet becomes a user: the last administrator may have left for good.

    Args:
        database: The service's database.
        base_url: Where people reach the service.
        email: Whom it is for; they have to give the same address again.

    Raises:
        ConfigurationError: It is no e-mail address.
    """
    address = normal_email(email)
    if address is None:
        raise ConfigurationError("this is no e-mail address", next_step="write it as name@example.org")
    new_user_id = uuid7()

    async def work(connection: Connection) -> str:
        await store.one(
            connection, "insert_user", id=new_user_id, email=address, name="", instance_admin=False, auditor=False
        )
        row = await store.one(connection, "user_by_email", email=address)
        if row is None:
            raise ConfigurationError("the user was erased at this moment", next_step="try again")
        link = new_link(LinkPurpose.RECOVERY, row["id"])
        await store_link(connection, link)
        entry = AuditEntry(
            action="user.recovery-link-created",
            actor=str(SYSTEM),
            subject=f"user:{row['id']}",
            details={"link": str(link.id), "new_user": row["id"] == new_user_id},
        )
        await append_entries(connection, [entry])
        return link.address(base_url)

    return await database.run(work)
