"""Everything that this slice decides, put together."""

from collections.abc import Callable

from quilate.accounts import store
from quilate.accounts.federation.identities import Identities
from quilate.accounts.federation.login import FederatedLogin
from quilate.accounts.federation.model import SecretKeeper
from quilate.accounts.federation.providers import IdentityProviders
from quilate.accounts.machines.service import ServiceAccounts
from quilate.accounts.machines.tokens import STATEMENTS as MACHINE_STATEMENTS
from quilate.accounts.members import Members
from quilate.accounts.oidc.issuers import Issuers
from quilate.accounts.passwords import Passwords
from quilate.accounts.personal_data import PersonalData
from quilate.accounts.projects import Projects
from quilate.accounts.session_list import SessionList
from quilate.accounts.sessions import Sessions
from quilate.accounts.setup import Setup
from quilate.accounts.signing import AccessTokens
from quilate.accounts.throttle import LoginThrottle
from quilate.accounts.tokens import ApiTokens
from quilate.accounts.trail.reading import AccessReading
from quilate.accounts.trusts.exchange import TokenExchange
from quilate.accounts.trusts.service import STATEMENTS as TRUST_STATEMENTS
from quilate.accounts.trusts.service import Trusts
from quilate.accounts.users import Users
from quilate.kit.database.database import Connection, Database
from quilate.kit.outgoing.http import OutgoingHttp


def _nothing_remembered() -> None:
    """Stand for an authenticator that remembers nothing."""


class AccountsService:
    """Users, logins, tokens, projects and members.

    Args:
        database: Where they are.
        base_url: Where people reach the service; one-time links begin with it.
        forget: The authenticator's ``forget``, called after each change so that it binds at once in this process.
        passwords: Hashes and verifies; one for each process.
        http: Asks issuers for their keys; its policy decides which addresses may be reached.
        secrets: Encrypts the client secrets of identity providers; without it only public clients are possible.

    Attributes:
        database: Where everything is.
        passwords: Hashes and verifies passwords.
        sessions: Login, refresh, logout, change of password.
        setup: One-time links.
        tokens: API tokens.
        users: Users of the installation.
        personal_data: Export and erasure.
        projects: Projects.
        members: Members of projects.
        service_accounts: Service accounts of projects.
        trusts: Issuers of CI systems that projects trust.
        exchange: Exchanges their tokens.
        trail: Reads who saw which evidence.
        session_list: Open logins.
        base_url: Where people reach the service.
        identities: Who users are at identity providers.
        providers: Identity providers.
        federated_login: Logins by them.
    """

    def __init__(  # noqa: PLR0913 - each has its meaning
        self,
        database: Database,
        *,
        base_url: str,
        forget: Callable[[], None] = _nothing_remembered,
        passwords: Passwords | None = None,
        http: OutgoingHttp | None = None,
        secrets: SecretKeeper | None = None,
    ) -> None:
        self.database = database
        self._throttle = LoginThrottle(database)
        self.passwords = passwords or Passwords()
        self.sessions = Sessions(
            database,
            passwords=self.passwords,
            tokens=AccessTokens(database),
            throttle=self._throttle,
            forget=forget,
        )
        self.setup = Setup(
            database, passwords=self.passwords, sessions=self.sessions, throttle=self._throttle, forget=forget
        )
        self.tokens = ApiTokens(database, forget=forget)
        self.users = Users(database, base_url=base_url, forget=forget)
        self.personal_data = PersonalData(database, passwords=self.passwords, forget=forget)
        self.projects = Projects(database, forget=forget)
        self.members = Members(database, forget=forget)
        self._http = http or OutgoingHttp()
        issuers = Issuers(self._http)
        self.service_accounts = ServiceAccounts(database, forget=forget)
        self.trusts = Trusts(database, forget=forget, allow_plain_http=issuers.allow_plain_http)
        self.exchange = TokenExchange(database, issuers)
        self.trail = AccessReading(database)
        self.session_list = SessionList(database, forget=forget)
        self.base_url = base_url
        self.identities = Identities(database, forget=forget)
        self.providers = IdentityProviders(
            database, secrets=secrets, forget=forget, allow_plain_http=issuers.allow_plain_http
        )
        self.federated_login = FederatedLogin(
            database, issuers=issuers, sessions=self.sessions, secrets=secrets, base_url=base_url
        )

    async def tidy(self) -> None:
        """Remove what has expired and tell the audit log of failed logins held back; once a minute by any process."""
        await self._throttle.report_rest()

        async def work(connection: Connection) -> None:
            await store.execute(connection, "tidy")
            await MACHINE_STATEMENTS.execute(connection, "tidy_machine_tokens")
            await TRUST_STATEMENTS.execute(connection, "tidy_used_tokens")
            await self.federated_login.tidy(connection)

        await self.database.run(work)

    async def close(self) -> None:
        """Close the connections to issuers."""
        await self._http.close()
