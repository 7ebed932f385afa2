"""Stored decisions decided again under a draft: nothing runs."""

from collections.abc import Iterable

from quilate.blueprints.model import Plan
from quilate.blueprints.registry.model import ReplayedDecision, StoredDecision
from quilate.blueprints.replay import under_plan
from quilate.domain.errors import ConfigurationError
from quilate.policy.decision import decide, input_from_bytes


def replayed(stored: Iterable[StoredDecision], plan: Plan) -> tuple[ReplayedDecision, ...]:
    """Decide stored runs again by a plan's policies, thresholds and required checks, on the evidence that they had.

    What a run did not measure stays unknown. Inputs of another version of the format are left out.
    """
    found = []
    for each in stored:
        try:
            given = input_from_bytes(each.input)
        except ConfigurationError:
            continue
        known = {check.check_id for check in given.checks}
        found.append(
            ReplayedDecision(
                run_id=each.run_id,
                before=each.verdict,
                after=decide(under_plan(given, plan)).verdict,
                unmeasured=tuple(str(check.id) for check in plan.checks if check.id not in known),
            )
        )
    return tuple(found)
