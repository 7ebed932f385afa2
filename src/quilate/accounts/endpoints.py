"""The routes of this slice."""

from fastapi import APIRouter

from quilate.accounts.access import Access
from quilate.accounts.auth_endpoints import make_auth_router
from quilate.accounts.federation.endpoints import make_federation_router
from quilate.accounts.machines.endpoints import make_machine_router
from quilate.accounts.me_endpoints import make_me_router
from quilate.accounts.project_endpoints import make_project_router
from quilate.accounts.service import AccountsService
from quilate.accounts.session_endpoints import make_session_router
from quilate.accounts.trail.endpoints import make_trail_router
from quilate.accounts.trusts.endpoints import make_trust_router
from quilate.accounts.user_endpoints import make_user_router
from quilate.accounts.welcome_endpoints import make_welcome_router

__all__ = ["make_router", "make_welcome_router"]


def make_router(service: AccountsService, access: Access) -> APIRouter:
    """Return the routes that stand below ``/api/v1``; ``make_welcome_router`` has the page that stands at the root."""
    router = APIRouter()
    router.include_router(make_auth_router(service, access))
    router.include_router(make_me_router(service, access))
    router.include_router(make_user_router(service, access))
    router.include_router(make_project_router(service, access))
    router.include_router(make_machine_router(service.service_accounts, access, service.database))
    router.include_router(make_trust_router(service.trusts, service.exchange, access, service.database))
    router.include_router(make_trail_router(service.trail, access))
    router.include_router(make_session_router(service.session_list, access))
    federation = (service.providers, service.federated_login, service.identities)
    router.include_router(make_federation_router(*federation, access, service.database, service.base_url))
    return router
