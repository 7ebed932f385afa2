"""One-time links: the only way to a first password."""

from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import quote
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.credentials import Secret, hash_of, new_secret
from quilate.accounts.records import LinkPurpose
from quilate.kit.database.database import Connection
from quilate.kit.ids import uuid7

LINK_LIFETIME = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLink:
    """A link before it is stored; its secret is shown once."""

    id: UUID
    secret: Secret = field(repr=False)
    purpose: LinkPurpose
    user_id: UUID | None

    def address(self, base_url: str) -> str:
        """Return where the link leads."""
        return f"{base_url.rstrip('/')}/welcome?token={quote(self.secret.text, safe='')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLink:
    """A link that opens."""

    id: UUID
    purpose: LinkPurpose
    user_id: UUID | None


def new_link(purpose: LinkPurpose, user_id: UUID | None) -> NewLink:
    """Return a link that is not stored yet."""
    return NewLink(id=uuid7(), secret=new_secret(), purpose=purpose, user_id=user_id)


async def store_link(connection: Connection, link: NewLink) -> bool:
    """Store a link in the caller's transaction; earlier ones of the same user open no more.

    Returns:
        Whether it was new; not when a transaction is repeated after a COMMIT that had counted.
    """
    await store.execute(connection, "remove_unused_links", user_id=link.user_id, kept=link.id)
    row = await store.one(
        connection,
        "insert_link",
        id=link.id,
        token_hash=link.secret.hash,
        purpose=link.purpose.value,
        user_id=link.user_id,
        lifetime=LINK_LIFETIME,
    )
    return row is not None


async def find_link(connection: Connection, token: str, *, lock: bool = False) -> OpenLink | None:
    """Return the link of a token while it opens."""
    row = await store.one(connection, "lock_link" if lock else "open_link", token_hash=hash_of(token))
    if row is None:
        return None
    return OpenLink(id=row["id"], purpose=LinkPurpose(row["purpose"]), user_id=row["user_id"])
