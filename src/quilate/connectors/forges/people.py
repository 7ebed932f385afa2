"""What somebody may do at a forge, and answers to what they wrote there, by the connector of that forge."""

from quilate.accounts.model import Role
from quilate.connectors.forges.delivering import ForgeConnector, Repository, is_same
from quilate.connectors.registry import load_connector
from quilate.deliveries.connector import DeliveryContext, DeliveryError


class Forge:
    """One repository at one forge, as a connection reaches it; a GitHub App included."""

    def __init__(self, provider: str, context: DeliveryContext, repository: str, repository_id: str) -> None:
        self._provider = provider
        self._context = context
        self._repository = repository
        self._repository_id = repository_id
        self._opened: Repository | None = None

    async def role_of(self, login: str) -> Role | None:
        """Return what somebody's role in the repository amounts to here; ``None`` for no right to change it.

        Raises:
            DeliveryError: The forge cannot be asked.
        """
        return await (await self._reached()).role_of(login)

    async def reply(self, number: int, text: str) -> None:
        """Write a comment into a request.

        Raises:
            DeliveryError: The forge did not take it.
        """
        await (await self._reached()).create_comment(number, text)

    async def _reached(self) -> Repository:
        """Return the connection's repository, which has to be the one that the comment was written in, by any name.

        Raises:
            DeliveryError: It is another one, where other people have rights, or the connection lacks something.
        """
        if self._opened is None:
            connector = load_connector(self._provider)
            opened = await connector.open(self._context) if isinstance(connector, ForgeConnector) else None
            if opened is None or not await is_same(opened, self._repository, self._repository_id):
                raise DeliveryError(
                    f"the project has no connection to {self._repository} at {self._provider}",
                    next_step="make one, or give the connection the repository's new name",
                    permanent=True,
                )
            self._opened = opened
        return self._opened
