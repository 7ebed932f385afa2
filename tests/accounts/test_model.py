"""Permissions: nothing that limits a principal ever widens it (A12)."""

from itertools import pairwise
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from quilate.accounts.model import (
    PERMISSIONS_OF_AUDITOR,
    PERMISSIONS_OF_ROLE,
    PERMISSIONS_WHEN_ARCHIVED,
    Actor,
    ActorKind,
    Permission,
    Principal,
    Role,
)

_PROJECTS = [UUID(int=number) for number in range(1, 4)]
_ACTOR = Actor(kind=ActorKind.TOKEN, id="t")
_scopes = st.frozensets(st.sampled_from(list(Permission)))
_owners = st.builds(
    lambda roles, admin, auditor: Principal(
        actor=_ACTOR, user_id=UUID(int=9), roles=roles, instance_admin=admin, auditor=auditor
    ),
    st.dictionaries(st.sampled_from(_PROJECTS), st.sampled_from(list(Role))),
    st.booleans(),
    st.booleans(),
)


def _limited(owner: Principal, scopes: frozenset[Permission], project: UUID | None) -> Principal:
    return Principal(
        actor=_ACTOR,
        user_id=owner.user_id,
        roles=owner.roles,
        instance_admin=owner.instance_admin,
        auditor=owner.auditor,
        scopes=scopes,
        project_scope=project,
    )


@given(_owners, _scopes, st.none() | st.sampled_from(_PROJECTS))
def test_a_token_never_gets_more_than_its_owner_or_its_scopes(
    owner: Principal, scopes: frozenset[Permission], project: UUID | None
) -> None:
    token = _limited(owner, scopes, project)
    for each in _PROJECTS:
        granted = token.permissions_in(each)
        assert granted <= owner.permissions_in(each)
        assert granted <= scopes
        assert project in {None, each} or not granted
    for permission in Permission:
        if token.may_instance(permission):
            assert owner.may_instance(permission)
            assert permission in scopes
            assert project is None


@given(_owners, _scopes, _scopes)
def test_fewer_scopes_never_give_more(
    owner: Principal, some: frozenset[Permission], more: frozenset[Permission]
) -> None:
    narrow, wide = _limited(owner, some, None), _limited(owner, some | more, None)
    for each in _PROJECTS:
        assert narrow.permissions_in(each) <= wide.permissions_in(each)
    for permission in Permission:
        assert wide.may_instance(permission) or not narrow.may_instance(permission)


@given(_owners)
def test_a_stranger_is_granted_nothing_and_a_member_what_the_role_says(owner: Principal) -> None:
    for each in _PROJECTS:
        expected: frozenset[Permission] = frozenset()
        if each in owner.roles:
            expected |= PERMISSIONS_OF_ROLE[owner.roles[each]]
        if owner.instance_admin:
            expected |= PERMISSIONS_OF_ROLE[Role.ADMIN]
        if owner.auditor:
            expected |= PERMISSIONS_OF_AUDITOR
        assert owner.permissions_in(each) == expected


def test_roles_grow_and_nobody_gets_the_installation_by_a_role() -> None:
    assert set(PERMISSIONS_OF_ROLE) == set(Role)
    order = [PERMISSIONS_OF_ROLE[role] for role in Role]
    assert all(lower <= higher for lower, higher in pairwise(order))
    assert all(Permission.INSTANCE_ADMIN not in granted for granted in order)
    assert Permission.WAIVER_APPROVE not in PERMISSIONS_OF_ROLE[Role.DEVELOPER]


def test_auditors_and_archived_projects_hold_no_permission_that_changes_evidence() -> None:
    changing = {
        Permission.RUN_SUBMIT,
        Permission.BLUEPRINT_EDIT,
        Permission.BLUEPRINT_PUBLISH,
        Permission.WAIVER_REQUEST,
        Permission.WAIVER_APPROVE,
        Permission.SCHEDULE_EDIT,
        Permission.DATASET_WRITE,
        Permission.SCRIPT_EDIT,
        Permission.SCRIPT_EXECUTE,
        Permission.SCRIPT_APPROVE,
        Permission.DEAD_LETTER_REPLAY,
    }
    assert not changing & PERMISSIONS_OF_AUDITOR
    assert not changing & PERMISSIONS_WHEN_ARCHIVED
    assert Permission.PROJECT_ADMIN not in PERMISSIONS_OF_AUDITOR
