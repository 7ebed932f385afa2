"""Failed logins slow down the next ones: for each account, each address, and never for ever.

The account's count binds everybody who comes from an address from which its user never logged in; from a known address
a count of its own binds. So a flood of guesses slows down the guesser, not the user. A pause grows to 15 minutes at
most, attempts during a pause neither count nor lengthen it, and a one-time link of the operator ends all of them.
Source: OWASP Authentication Cheat Sheet and "Slow Down Online Guessing Attacks with Device Cookies".
"""

import hashlib
import hmac
import ipaddress
import math
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from quilate.accounts import store
from quilate.accounts.errors import too_many_attempts
from quilate.accounts.model import SYSTEM
from quilate.audit.entries import AuditEntry, append_entries
from quilate.kit.database.database import Connection, Database

LONGEST_PAUSE_SECONDS = 900
KNOWN_ADDRESS_MEMORY = timedelta(days=30)
UNKNOWN_USER = UUID(int=0)
_LARGEST_EXPONENT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class _Counter:
    """What is counted under one key: how many failures are free, and when they are forgotten."""

    key: bytes
    free: int
    memory: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A login that was let through and counted as failed until it has succeeded."""

    address: _Counter
    account: _Counter
    address_hash: bytes


def pause_after(failures: int, *, free: int) -> int:
    """Return the seconds that the next attempt has to wait: none, then 1, 2, 4 and so on up to 15 minutes."""
    over = failures - free
    return 0 if over <= 0 else min(LONGEST_PAUSE_SECONDS, 1 << min(over - 1, _LARGEST_EXPONENT))


def network_of(address: str) -> str:
    """Return what one client can hardly have many of: an IPv4 address, the /64 network of an IPv6 address."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class LoginThrottle:
    """Counts attempts in the database, so that all API processes count together."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._hash_key = b""

    async def admit(self, *, email: str, address: str) -> Attempt:
        """Let a login through, or not; one that is let through counts as failed until ``succeeded``.

        Counting first means that a thousand guesses at once count a thousand, not one.

        Raises:
            Problem: 429 with the seconds to wait.
        """
        await self._read_hash_key()

        async def work(connection: Connection) -> tuple[Attempt, float]:
            attempt = await self._attempt(connection, email, address)
            keys = [attempt.address.key, attempt.account.key]
            row = await store.one(connection, "longest_block", keys=keys)
            blocked = (row["seconds"] or 0.0) if row is not None else 0.0
            if blocked <= 0:
                for counter in (attempt.address, attempt.account):
                    blocked = max(blocked, await _count(connection, counter))
            return attempt, blocked

        attempt, blocked = await self._database.run(work)
        if blocked > 0:
            raise too_many_attempts(math.ceil(blocked))
        return attempt

    async def _attempt(self, connection: Connection, email: str, address: str) -> Attempt:
        address_hash = self._hash("address", network_of(address))
        row = await store.one(
            connection, "is_known_address", email=email, address=address_hash, memory=KNOWN_ADDRESS_MEMORY
        )
        known = row is not None and row["known"]
        own = self._at_known_address(email, address_hash) if known else self._hash("account", email)
        return Attempt(
            address=_Counter(key=address_hash, free=50, memory=timedelta(hours=1)),
            account=_Counter(key=own, free=10, memory=timedelta(hours=24)),
            address_hash=address_hash,
        )

    async def succeeded(self, connection: Connection, attempt: Attempt, *, user_id: UUID) -> None:
        """Take the attempt back, within the transaction of the login."""
        await store.execute(connection, "take_back_attempt", key=attempt.address.key)
        await store.execute(connection, "clear_throttle", key=attempt.account.key)
        await store.execute(connection, "remember_address", user_id=user_id, address=attempt.address_hash)

    async def forgive(self, connection: Connection, *, user_id: UUID, email: str, address: str) -> None:
        """End every pause that binds a user, for they used a one-time link.

        Their failures are forgotten, those from their usual addresses too; the failures of the address from which the
        link was used still count, for they may be somebody else's.
        """
        await self._read_hash_key()
        await store.execute(connection, "clear_throttle", key=self._hash("account", email))
        for row in await store.many(connection, "known_addresses_of_user", user_id=user_id):
            key = self._at_known_address(email, bytes(row["address"]))
            await store.execute(connection, "clear_throttle", key=key)
        await store.execute(connection, "end_pause", key=self._hash("address", network_of(address)))

    async def failed(self, user_id: UUID | None) -> None:
        """Tell the audit log of a failed login: at once, then at most once a minute for each account.

        All accounts that do not exist count as one, so that nobody floods the log.
        """
        account = user_id or UNKNOWN_USER

        async def work(connection: Connection) -> None:
            row = await store.one(connection, "count_login_failure", user_id=account)
            if row is not None and row["due"]:
                await _report(connection, account, row["unreported"])

        await self._database.run(work)

    async def report_rest(self) -> None:
        """Tell the audit log of the failures that were held back for a minute."""

        async def work(connection: Connection) -> None:
            for row in await store.many(connection, "lock_due_login_failures"):
                await _report(connection, row["user_id"], row["unreported"])

        await self._database.run(work)

    def _at_known_address(self, email: str, address_hash: bytes) -> bytes:
        # From the hash, which is all that is kept of an address: so a count can be found again without the address.
        return self._hash("account", email, address_hash.hex())

    def _hash(self, *parts: str) -> bytes:
        return hmac.new(self._hash_key, "\0".join(parts).encode("utf-8", "surrogatepass"), hashlib.sha256).digest()

    async def _read_hash_key(self) -> None:
        if self._hash_key:
            return
        async with self._database.connection() as connection:
            row = await store.one(connection, "hash_key")
        if row is not None:
            self._hash_key = row["hash_key"]


async def _count(connection: Connection, counter: _Counter) -> float:
    """Count one attempt; return the seconds for which another that ran at the same time has closed the door."""
    row = await store.one(connection, "count_attempt", key=counter.key, memory=counter.memory)
    if row is None or row["blocked_seconds"] > 0:
        return 0.0 if row is None else float(row["blocked_seconds"])
    pause = pause_after(row["failures"], free=counter.free)
    if pause:
        await store.execute(connection, "block", key=counter.key, pause=timedelta(seconds=pause))
    return 0.0


async def _report(connection: Connection, account: UUID, failures: int) -> None:
    subject = "user:unknown" if account == UNKNOWN_USER else f"user:{account}"
    entry = AuditEntry(action="login.failed", actor=str(SYSTEM), subject=subject, details={"failures": failures})
    await append_entries(connection, [entry])
    await store.execute(connection, "mark_login_failures_reported", user_id=account)
