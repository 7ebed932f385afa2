"""Where a version stands and what may be done with it: a pure function, no data.

A version begins as a draft. What needs no review is activated as it is; what is privileged is reviewed by another
person first. A version that another one took the place of is approved again: a rollback may bring it back. What is
retired stays so.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from quilate.scripts.model import VersionState


class VersionAction(StrEnum):
    """What somebody does with a version."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REFUSE = "refuse"
    ACTIVATE = "activate"
    SUPERSEDE = "supersede"
    RETIRE = "retire"


class TransitionError(Exception):
    """The version's state does not allow it.

    Attributes:
        reason: Why, one sentence without a full stop.
        next_step: What may be done instead.
    """

    def __init__(self, reason: str, next_step: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.next_step = next_step


_NEXT: Mapping[tuple[VersionState, VersionAction], VersionState] = MappingProxyType(
    {
        (VersionState.DRAFT, VersionAction.SUBMIT): VersionState.IN_REVIEW,
        (VersionState.IN_REVIEW, VersionAction.APPROVE): VersionState.APPROVED,
        (VersionState.IN_REVIEW, VersionAction.REFUSE): VersionState.DRAFT,
        (VersionState.DRAFT, VersionAction.ACTIVATE): VersionState.ACTIVE,
        (VersionState.APPROVED, VersionAction.ACTIVATE): VersionState.ACTIVE,
        (VersionState.ACTIVE, VersionAction.SUPERSEDE): VersionState.APPROVED,
        (VersionState.DRAFT, VersionAction.RETIRE): VersionState.RETIRED,
        (VersionState.IN_REVIEW, VersionAction.RETIRE): VersionState.RETIRED,
        (VersionState.APPROVED, VersionAction.RETIRE): VersionState.RETIRED,
        (VersionState.ACTIVE, VersionAction.RETIRE): VersionState.RETIRED,
    }
)

EXECUTABLE = frozenset({VersionState.ACTIVE, VersionState.APPROVED})
"""States in which executions may name a version."""


def next_state(state: VersionState, action: VersionAction, *, privileged: bool, quarantined: bool) -> VersionState:
    """Return the state after an action.

    Args:
        state: The present one.
        action: What is done.
        privileged: The version asks for more than the defaults.
        quarantined: It has crashed workers too often.

    Raises:
        TransitionError: The action is not possible.
    """
    if action is VersionAction.SUBMIT and not privileged:
        way = "activate it" if state is VersionState.DRAFT else _WAYS[state]
        raise TransitionError("the version asks for nothing that needs a review", way)
    if action is VersionAction.ACTIVATE:
        _require_activatable(state, privileged=privileged, quarantined=quarantined)
    following = _NEXT.get((state, action))
    if following is None:
        raise TransitionError(f"the version is {state.value.replace('_', ' ')}", _WAYS[state])
    return following


def way_of_released(state: VersionState) -> str:
    """Return what can be done with a version that is in no quarantine, for whoever wants to let it out."""
    return "execute it: nothing is in its way" if state is VersionState.ACTIVE else _WAYS[state]


def _require_activatable(state: VersionState, *, privileged: bool, quarantined: bool) -> None:
    if quarantined:
        raise TransitionError(
            "the version is quarantined: it has crashed workers",
            "correct the script and push another version, or ask somebody with script:approve to release it",
        )
    if privileged and state is VersionState.DRAFT:
        raise TransitionError(
            "the version asks for more than the defaults and nobody has reviewed it", "submit it for review"
        )


_WAYS: Mapping[VersionState, str] = MappingProxyType(
    {
        VersionState.DRAFT: "submit it for review where it is privileged, or activate it",
        VersionState.IN_REVIEW: "somebody with script:approve approves or refuses it",
        VersionState.APPROVED: "activate it",
        VersionState.ACTIVE: "activate another version, or retire it",
        VersionState.RETIRED: "push its source as a new version",
    }
)
