"""A run that is over, as another plan would have had it judged: what "what-if" replays, here and in the service."""

from collections.abc import Iterable
from dataclasses import replace

import msgspec

from quilate.blueprints.model import Plan
from quilate.policy.model import DecisionInput, JudgedCheck, PolicyRule


def under_plan(given: DecisionInput, plan: Plan) -> DecisionInput:
    """Return a run's inputs as ``plan`` would have them judged."""
    measured = {check.check_id: check for check in given.checks}
    checks: Iterable[JudgedCheck] = (
        msgspec.structs.replace(
            measured[check.id],
            stage=check.stage,
            required=check.required,
            severity_threshold=check.severity_threshold,
            enforce_from=check.enforce_from,
        )
        for check in plan.checks
        if check.id in measured
    )
    policies = plan.policies or (PolicyRule(name="required_checks", rule="all_required_checks_pass"),)
    return replace(given, checks=tuple(checks), policies=policies, blueprint=plan.blueprint.document)
