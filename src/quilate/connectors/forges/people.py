"""What somebody may do at a forge, and answers to what they wrote there, by the connector of that forge."""

from quilate.accounts.model import Role
from quilate.connectors.forges.delivering import ForgeConnector, Repository
from quilate.connectors.registry import load_connector
from quilate.deliveries.connector import DeliveryContext, DeliveryError


class Forge:
    """One repository at one forge, as a connection reaches it; a GitHub App included."""

    def __init__(self, provider: str, context: DeliveryContext, repository: str) -> None:
        self._provider = provider
        self._context = context
        self._repository = repository
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
        """Return the connection's repository, which has to be the one that the comment was written in.

        Raises:
            DeliveryError: It is another one, where other people have rights, or the connection lacks something.
        """
        if self._opened is None:
            ours = str(self._context.settings.repository)
            connector = load_connector(self._provider)
            if not isinstance(connector, ForgeConnector) or ours.lower() != self._repository.lower():
                raise DeliveryError(
                    f"the project has no connection to {self._repository} at {self._provider}",
                    next_step="make one, or give the connection the repository's new name",
                    permanent=True,
                )
            self._opened = await connector.open(self._context)
        return self._opened
