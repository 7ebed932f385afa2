"""Keys of projects: one that seals the keys of their payloads, one that makes tokens.

Both are made when they are first needed and lie in the database, sealed by the installation's key file. Rotating that
file leaves them as they are, so that tokens stay what they were; ``rotate`` gives a project a new key for what comes.
"""

import base64
import secrets
from dataclasses import dataclass, field
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from quilate.accounts.statements import Row, Statements
from quilate.kit.database.database import Connection, Database
from quilate.kit.ids import uuid7
from quilate.kit.secrets.box import SecretUnreadableError
from quilate.kit.secrets.opened import Secrets
from quilate.scripts.payloads.sealing import new_key
from quilate.scripts.payloads.tokens import Tokeniser

STATEMENTS = Statements("quilate.scripts.payloads")
_VERSION = b"\x01"
_NONCE = 12
_NUMBER = 4
_HEAD = 1 + _NUMBER + _NONCE
_MOST_PROJECTS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class _Keys:
    """Keys of a project; ``data`` by number, the highest one seals."""

    data: dict[int, bytes] = field(repr=False)
    token: bytes = field(repr=False)


class DataVault:
    """Seals keys of payloads and makes tokens, for any project.

    Args:
        database: Where the projects' keys are.
        secrets: Seals these keys.
    """

    def __init__(self, database: Database, secrets: Secrets) -> None:
        self._database = database
        self._secrets = secrets
        self._known: dict[UUID, _Keys] = {}

    async def tokeniser(self, project_id: UUID) -> Tokeniser:
        """Return what makes a project's tokens."""
        return Tokeniser((await self._keys(project_id)).token)

    async def new_key(self, project_id: UUID) -> tuple[bytes, bytes]:
        """Return a new key for one content, and the same key sealed."""
        keys = await self._keys(project_id)
        plain, number, nonce = new_key(), max(keys.data), secrets.token_bytes(_NONCE)
        head = _VERSION + number.to_bytes(_NUMBER, "big") + nonce
        return plain, head + AESGCM(keys.data[number]).encrypt(nonce, plain, _bound(project_id))

    async def open_key(self, project_id: UUID, sealed: bytes) -> bytes:
        """Return the key of one content.

        Raises:
            SecretUnreadableError: It is another project's, was changed, or the project's key is gone.
        """
        number = int.from_bytes(sealed[1 : 1 + _NUMBER], "big")
        keys = await self._keys(project_id)
        if number not in keys.data:
            self._known.pop(project_id, None)
            keys = await self._keys(project_id)
        key = keys.data.get(number)
        if key is None or sealed[:1] != _VERSION or len(sealed) <= _HEAD:
            raise SecretUnreadableError
        try:
            return AESGCM(key).decrypt(sealed[1 + _NUMBER : _HEAD], sealed[_HEAD:], _bound(project_id))
        except InvalidTag as error:
            raise SecretUnreadableError from error

    async def rotate(self, project_id: UUID) -> int:
        """Give a project a new key for the payloads that come; return its number. What is there stays readable."""
        number = max((await self._keys(project_id)).data) + 1

        async def work(connection: Connection) -> None:
            await self._insert(connection, project_id, "data", number)

        await self._database.run(work)
        self._known.pop(project_id, None)
        return max((await self._keys(project_id)).data)

    async def _keys(self, project_id: UUID) -> _Keys:
        known = self._known.get(project_id)
        if known is None:
            known = await self._database.run(lambda connection: self._made(connection, project_id))
            if len(self._known) >= _MOST_PROJECTS:
                self._known.clear()
            self._known[project_id] = known
        return known

    async def _made(self, connection: Connection, project_id: UUID) -> _Keys:
        """Return a project's keys; whoever comes first makes them."""
        rows = await STATEMENTS.many(connection, "project_keys", project=project_id)
        if len({row["purpose"] for row in rows}) < 2:  # noqa: PLR2004 - data and token
            await self._insert(connection, project_id, "data", 1)
            await self._insert(connection, project_id, "token", 1)
            rows = await STATEMENTS.many(connection, "project_keys", project=project_id)
        data = {row["number"]: self._opened(project_id, row) for row in rows if row["purpose"] == "data"}
        token = next(self._opened(project_id, row) for row in rows if row["purpose"] == "token")
        return _Keys(data=data, token=token)

    async def _insert(self, connection: Connection, project_id: UUID, purpose: str, number: int) -> None:
        plain = base64.b64encode(new_key()).decode()
        sealed = self._secrets.seal(plain, _context(project_id, purpose, number))
        await STATEMENTS.execute(
            connection, "insert_key", id=uuid7(), project=project_id, purpose=purpose, number=number, sealed=sealed
        )

    def _opened(self, project_id: UUID, row: Row) -> bytes:
        context = _context(project_id, row["purpose"], row["number"])
        return base64.b64decode(self._secrets.open(bytes(row["sealed"]), context))


def _context(project_id: UUID, purpose: str, number: int) -> str:
    return f"script-data-keys:{project_id}:{purpose}:{number}"


def _bound(project_id: UUID) -> bytes:
    return b"quilate-payload-key\0" + project_id.bytes
