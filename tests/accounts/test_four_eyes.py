"""Who is a second person: C11, and what machines and their makers are not."""

from uuid import uuid4

import pytest

from quilate.accounts.four_eyes import refusal
from quilate.accounts.model import Actor, ActorKind, Permission, Principal, ProjectAccess, Role
from tests.support.projects_access import project

PROJECT = project("fraud")
SERVICE, WORKLOAD = "service:88bb55f7-61b9-435d-b122-c0795407925a", "workload:be73799f-0fa4-4110-a765-cddae789de1e"


def person(role: Role | None = Role.REVIEWER, *, scopes: frozenset[Permission] | None = None) -> Principal:
    user = uuid4()
    return Principal(
        actor=Actor(kind=ActorKind.USER, id=str(user)),
        user_id=user,
        roles={PROJECT.id: role} if role is not None else {},
        instance_admin=role is None,
        scopes=scopes,
    )


def machine(name: str) -> Principal:
    kind, _, identifier = name.partition(":")
    return Principal(
        actor=Actor(kind=ActorKind(kind), id=identifier),
        user_id=None,
        grants={PROJECT.id: frozenset({Permission.WAIVER_APPROVE})},
    )


def refused(principal: Principal, first: str, *, grants: bool = True) -> str:
    """Return why somebody is not the second person, or nothing."""
    access = ProjectAccess(principal=principal, project=PROJECT)
    problem = refusal(access, first, Permission.WAIVER_APPROVE, own="it is yours", or_else=", or leave", grants=grants)
    if problem is None:
        return ""
    assert (problem.status, problem.type) == (403, "four-eyes")
    assert "waiver:approve" in problem.next_step
    return problem.detail


def test_another_person_is_and_oneself_is_not() -> None:
    reviewer = person()
    assert refused(reviewer, person().person) == ""
    assert refused(reviewer, reviewer.person) == "it is yours"
    assert refused(person(Role.ADMIN), person().person) == ""


@pytest.mark.parametrize("first", [SERVICE, WORKLOAD])
def test_whoever_administers_the_project_is_none_beside_its_machines(first: str) -> None:
    token = person(Role.ADMIN, scopes=frozenset({Permission.WAIVER_APPROVE}))
    for administrator in (person(Role.ADMIN), person(None), token):
        assert "you administer the project" in refused(administrator, first)
        assert refused(administrator, first, grants=False) == ""
    assert refused(person(Role.SECURITY), first) == ""


@pytest.mark.parametrize("name", [SERVICE, WORKLOAD])
def test_a_machine_is_none_beside_anybody(name: str) -> None:
    for first in (person().person, SERVICE[:-1] + "x"):
        assert refused(machine(name), first) == "a machine is nobody's second person"
    assert refused(machine(name), name, grants=False) == "it is yours"
