"""Whether a second person decides: what one made or asked for, another one publishes or approves."""

from quilate.accounts.model import ActorKind, Permission, ProjectAccess
from quilate.kit.web.problems import Problem

_MACHINES = frozenset({ActorKind.SERVICE, ActorKind.WORKLOAD})


def refusal(  # noqa: PLR0913 - who, what, and what to say
    access: ProjectAccess, first: str, permission: Permission, *, own: str, or_else: str = "", grants: bool = True
) -> Problem | None:
    """Return why somebody is not the second person beside the first one; ``None`` where they are.

    A machine is nobody's second person, since a person makes its tokens. For the same reason whoever administers a
    project is not the second person for what one of its machines did, whatever the token they use is limited to.

    Args:
        access: Who decides, where.
        first: Who made it or asked for it, as ``Principal.person`` named them.
        permission: What deciding needs.
        own: What to tell the first person.
        or_else: What else the first person may do.
        grants: Something is let through; whatever is turned down needs no more than another name.
    """
    if access.principal.person == first:
        return _refused(own, f"ask another person with the permission {permission.value}{or_else}")
    if not grants:
        return None
    if access.actor.kind in _MACHINES:
        return _refused(
            "a machine is nobody's second person", f"let a person with the permission {permission.value} do it"
        )
    if first.partition(":")[0] in _MACHINES and access.principal.administers(access.project.id):
        return _refused(
            "a machine did this, and you administer the project, so that you could have had it done",
            f"ask somebody with the permission {permission.value} who does not administer the project",
        )
    return None


def _refused(detail: str, next_step: str) -> Problem:
    return Problem(status=403, type="four-eyes", detail=detail, next_step=next_step)
