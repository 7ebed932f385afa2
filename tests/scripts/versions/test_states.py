"""The states of a version (A09, A16)."""

from itertools import product

import pytest

from quilate.scripts.model import VersionState
from quilate.scripts.versions.states import EXECUTABLE, TransitionError, VersionAction, next_state


def _possible(*, privileged: bool, quarantined: bool = False) -> dict[tuple[str, str], str]:
    found = {}
    for state, action in product(VersionState, VersionAction):
        try:
            found[state.value, action.value] = next_state(
                state, action, privileged=privileged, quarantined=quarantined
            ).value
        except TransitionError as error:
            found_reason = (error.reason, error.next_step)
        else:
            continue
        assert all(found_reason)
    return found


_ALWAYS = {
    ("in_review", "approve"): "approved",
    ("in_review", "refuse"): "draft",
    ("active", "supersede"): "approved",
    ("draft", "retire"): "retired",
    ("in_review", "retire"): "retired",
    ("approved", "retire"): "retired",
    ("active", "retire"): "retired",
}


def test_what_needs_no_review_is_activated_as_it_is() -> None:
    assert _possible(privileged=False) == _ALWAYS | {
        ("draft", "activate"): "active",
        ("approved", "activate"): "active",
    }


def test_what_is_privileged_is_activated_once_it_is_approved() -> None:
    assert _possible(privileged=True) == _ALWAYS | {
        ("draft", "submit"): "in_review",
        ("approved", "activate"): "active",
    }


@pytest.mark.parametrize("privileged", [True, False])
def test_what_is_quarantined_is_not_activated(*, privileged: bool) -> None:
    assert "activate" not in {action for _, action in _possible(privileged=privileged, quarantined=True)}


def test_a_privileged_version_is_never_executable_without_an_approval() -> None:
    reached = {VersionState.DRAFT}
    while True:
        more = {
            next_state(state, action, privileged=True, quarantined=False)
            for state, action in product(reached, VersionAction)
            if action is not VersionAction.APPROVE and (state.value, action.value) in _possible(privileged=True)
        }
        if more <= reached:
            break
        reached |= more
    assert not reached & EXECUTABLE
