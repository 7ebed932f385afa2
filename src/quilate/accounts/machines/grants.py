"""What a machine may be given: what it needs to submit and to read, never what a person has to answer for."""

from dataclasses import dataclass

from quilate.accounts.errors import invalid
from quilate.accounts.model import PERMISSIONS_OF_ROLE, Permission, Role

MACHINE_ROLES = (Role.VIEWER, Role.DEVELOPER)
MACHINE_SCOPES = PERMISSIONS_OF_ROLE[Role.DEVELOPER] | {Permission.AUDIT_READ}
"""No machine administers, and none approves or publishes: who answers for that is a person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a machine may do in its project; ``role`` where it was given as one."""

    role: Role | None
    scopes: frozenset[Permission]


def grant_of(role: Role | None, scopes: frozenset[Permission]) -> Grant:
    """Return what a role or single scopes give a machine.

    Raises:
        Problem: 422, neither or both are given, or more than a machine may have.
    """
    if (role is None) == (not scopes):
        raise invalid("give either a role or scopes")
    if role is not None and role not in MACHINE_ROLES:
        raise invalid(
            f"a machine cannot have the role {role.value}",
            next_step=f"choose {' or '.join(MACHINE_ROLES)}, or name scopes",
        )
    granted = PERMISSIONS_OF_ROLE[role] if role is not None else scopes
    excess = granted - MACHINE_SCOPES
    if excess:
        names = ", ".join(sorted(excess))
        raise invalid(f"a machine cannot have the scopes {names}", next_step="leave them to people")
    return Grant(role=role, scopes=granted)
