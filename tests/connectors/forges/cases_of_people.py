"""C05, C10: what somebody may do at a forge, by which commands in comments are judged."""

from collections.abc import Mapping
from typing import ClassVar

import pytest

from quilate.accounts.model import Role
from quilate.connectors.forges.delivering import ForgeConnector
from quilate.deliveries.connector import DeliveryError
from tests.connectors.forges.cases_base import PAGE, ForgeCases
from tests.support.forge_servers.server import Fault, ForgeServer, Reply


class PeopleCases(ForgeCases):
    """The cases.

    Attributes:
        roles: What each word of the provider amounts to.
    """

    roles: ClassVar[Mapping[str, Role | None]]

    async def _asked(self, server: ForgeServer, connector: ForgeConnector, login: str) -> Role | None:
        async with self.context(server, connector) as context:
            return await (await connector.open(context)).role_of(login)

    @pytest.mark.asyncio
    async def test_roles_are_told_in_our_words(self, server: ForgeServer, connector: ForgeConnector) -> None:
        server.people = {f"{number}:somebody": word for number, word in enumerate(self.roles)}
        for (login, word), expected in zip(server.people.items(), self.roles.values(), strict=True):
            assert await self._asked(server, connector, login) is expected, word
        assert not server.changes

    @pytest.mark.asyncio
    @pytest.mark.parametrize("login", ["nobody", "", "ann/../bob", "ann?x=1", "an", "{1}x"])
    async def test_strangers_have_no_role(self, server: ForgeServer, connector: ForgeConnector, login: str) -> None:
        server.people = {"ann": next(iter(self.roles)), "bob": next(iter(self.roles))}
        assert await self._asked(server, connector, login) is None

    @pytest.mark.asyncio
    async def test_a_token_that_may_not_ask_is_an_error_that_says_so(
        self, server: ForgeServer, connector: ForgeConnector
    ) -> None:
        server.people, server.tells_roles = {"ann": next(iter(self.roles))}, False
        with pytest.raises(DeliveryError) as failed:
            await self._asked(server, connector, "ann")
        assert failed.value.permanent
        assert failed.value.next_step

    @pytest.mark.asyncio
    @pytest.mark.parametrize("reply", [PAGE, Reply(status=503), Reply(document=[7]), Reply(document="admin")])
    async def test_no_other_answer_gives_a_role(
        self, server: ForgeServer, connector: ForgeConnector, reply: Reply
    ) -> None:
        server.people = {"ann": next(iter(self.roles))}
        server.faults.append(Fault(reply=reply, on="GET .*(permission|members)"))
        try:
            assert await self._asked(server, connector, "ann") is None
        except DeliveryError:
            return
