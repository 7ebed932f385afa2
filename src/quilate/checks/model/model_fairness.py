"""Does a model treat groups alike?

Why: A model may be good on average and refuse one group far more often than another. A gap between small groups is
mostly chance; it gates on an interval, and the answer says how many rows would settle it.

Input: A file of predictions (CSV, TSV, Parquet, JSON, NDJSON) with the prediction (or a score, positive from
decision_threshold on) and one or more group columns; the truth for measures that need it. Each group column is judged
by itself; a missing group is a group of its own. demographic_parity compares the share of positive predictions,
equal_opportunity the share among those who are truly positive, equalized_odds that and the share among the truly
negative.

Facts: disparity (the largest difference of a rate between two groups, with low, high and sample size), worst_group (the
group with the lower rate of that pair), groups, smallest_group_size, rows.

Limits: max_disparity (a difference of shares, of one). Met when the upper bound does not exceed it, missed when the
lower bound does. Groups below min_group_size rows (of those that the rate is over) are not compared and leave the
answer open. All pairs hold at confidence at once (Newcombe's interval by pair, Bonferroni over pairs), because the
bootstrap of a largest difference is biased upward; no random numbers are used.

Findings: QL-MOD-201 the disparity exceeds the limit, one for each pair of groups whose lower bound does.

Raises: The file is missing or broken; a prediction or truth is missing (names record and line); the positive label
occurs nowhere; a group column is missing.

Source: Newcombe (1998) and Dunn (1961), see quilate/checks/model/statistics/proportions.py; Hardt, Price and Srebro,
Equality of Opportunity in Supervised Learning (2016).
"""

import builtins
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from quilate.checks.api import Canary, Context, Inputs, Isolation, Queue
from quilate.checks.model.parameters import ModelFairnessBinding, ModelFairnessParameters
from quilate.domain.errors import ConfigurationError, ToolMissingError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Evidence,
    Fact,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    number_fact,
    text_fact,
)
from quilate.kit.words import counted

if TYPE_CHECKING:
    from quilate.checks.model.statistics.groups import Compared
    from quilate.checks.model.statistics.proportions import Disparity, Gap

_NUMBERS = {"groups": "count", "smallest_group_size": "count", "rows": "count"}


class ModelFairness:
    """Compares rates between groups and holds the largest gap against a limit."""

    type: ClassVar[str] = "MODEL_FAIRNESS"
    version: ClassVar[str] = "1"
    queue: ClassVar[Queue] = Queue.ML
    isolation: ClassVar[Isolation] = Isolation.PROCESS
    profile: ClassVar[Mapping[str, Any]] = {
        "severity_threshold": "medium",
        "max_disparity": "0.1",
        "measure": "demographic_parity",
        "min_group_size": 30,
        "decision_threshold": "0.5",
        "confidence": "0.95",
    }
    parameters: ClassVar[builtins.type] = ModelFairnessParameters
    binding: ClassVar[builtins.type] = ModelFairnessBinding

    def produces(self, parameters: ModelFairnessParameters) -> tuple[FactSpec, ...]:
        """Return the disparity and what it rests on.

        Raises:
            ConfigurationError: A parameter is out of its range.
        """
        _validate(parameters)
        return (
            FactSpec(name="disparity", type=FactType.NUMBER, unit="ratio", description=parameters.measure),
            FactSpec(name="worst_group", type=FactType.TEXT, description="the group with the lower rate"),
            *(FactSpec(name=name, type=FactType.NUMBER, unit=unit) for name, unit in _NUMBERS.items()),
        )

    def inputs(self, parameters: ModelFairnessParameters, binding: ModelFairnessBinding) -> Inputs:  # noqa: ARG002 - contract
        """Return the predictions."""
        return Inputs(files=(binding.predictions,))

    def run(self, context: Context) -> Evidence:
        """Compare the groups.

        Raises:
            EvidenceError: The predictions cannot be read.
        """
        parameters: ModelFairnessParameters = context.parameters
        _validate(parameters)
        try:
            from quilate.checks.model.statistics.groups import compare_groups  # noqa: PLC0415 - loads numpy and Polars
        except ImportError as error:
            raise ToolMissingError(
                "numpy or polars is not installed", next_step="pip install 'quilate[model]'"
            ) from error
        compared = compare_groups(context.workspace, parameters, context.binding)
        undecided = [*_too_small(compared, parameters)]
        found = compared.disparity
        facts = _facts(compared)
        if found is None:
            undecided.append(
                Undecided(
                    subject="disparity",
                    reason=f"fewer than two groups have {counted(parameters.min_group_size, 'row')}",
                    next_step="give predictions for more rows of each group",
                    needed_sample=parameters.min_group_size,
                )
            )
            return Evidence(summary="no groups to compare", facts=facts, undecided=tuple(undecided))
        findings = _findings(context.binding.predictions, parameters, found)
        undecided += _open_gap(parameters, found, compared.rows)
        return Evidence(
            summary=_summary(parameters, found, compared.rows),
            facts=facts,
            findings=findings,
            undecided=tuple(undecided),
        )

    def canary(self, directory: Path) -> Canary:
        """Write predictions that are positive for all of one group and none of the other."""
        rows = "".join(f"{number % 2},{'a' if number % 2 else 'b'}\n" for number in range(200))
        (directory / "predictions.csv").write_text("y_pred,area\n" + rows, encoding="utf-8")
        return Canary(expected_rules=("QL-MOD-201",), binding={"predictions": "predictions.csv", "groups": ("area",)})


def _validate(parameters: ModelFairnessParameters) -> None:
    if not 0 < parameters.confidence < 1:
        raise ConfigurationError("confidence must lie between 0 and 1, for example 0.95")
    if not 0 <= parameters.max_disparity <= 1:
        raise ConfigurationError("max_disparity must lie between 0 and 1, for example 0.10")
    if parameters.min_group_size < 1:
        raise ConfigurationError("min_group_size must be at least 1")


def _facts(compared: "Compared") -> tuple[Fact, ...]:
    found = compared.disparity
    values = {"groups": compared.groups, "smallest_group_size": compared.smallest, "rows": compared.rows}
    counts = tuple(number_fact(name, value, unit=_NUMBERS[name]) for name, value in values.items())
    if found is None:
        return (number_fact("disparity", None, unit="ratio"), text_fact("worst_group", None), *counts)
    gap = number_fact(
        "disparity",
        found.widest.value,
        unit="ratio",
        low=found.low,
        high=found.high,
        sample_size=compared.rows,
    )
    return (gap, text_fact("worst_group", found.widest.lower.group), *counts)


def _limit(parameters: ModelFairnessParameters) -> str:
    return f"{parameters.max_disparity:f}"


def _summary(parameters: ModelFairnessParameters, found: "Disparity", rows: int) -> str:
    gap = found.widest.value
    return f"gap {gap:.2g} in [{found.low:.2g}, {found.high:.2g}], limit {_limit(parameters)}, n {rows}"


def _findings(path: str, parameters: ModelFairnessParameters, found: "Disparity") -> tuple[Finding, ...]:
    beyond = sorted(
        (gap for gap in found.gaps if Decimal(repr(gap.low)) > parameters.max_disparity),
        key=lambda gap: -gap.value,
    )
    return tuple(_finding(path, parameters, gap) for gap in beyond)


def _finding(path: str, parameters: ModelFairnessParameters, gap: "Gap") -> Finding:
    higher = gap.second if gap.lower is gap.first else gap.first
    return Finding(
        rule=RuleId("QL-MOD-201"),
        kind=FindingKind.MODEL,
        severity=Severity.HIGH,
        message=(
            f"{gap.lower.rate} is {gap.lower.share:.3f} for {gap.lower.group} (n {gap.lower.size}) and "
            f"{higher.share:.3f} for {higher.group} (n {higher.size})"
        ),
        location=Location(path=path, field=gap.lower.group.partition("=")[0]),
        measured=f"gap {gap.value:.3f} in [{gap.low:.3f}, {gap.high:.3f}]",
        limit=f"at most {_limit(parameters)}",
        fix="Find what in the data or the threshold sets the groups apart, or justify the gap with a waiver.",
        context=f"{gap.lower.group} {higher.group} {gap.lower.rate}",
    )


def _too_small(compared: "Compared", parameters: ModelFairnessParameters) -> tuple[Undecided, ...]:
    return tuple(
        Undecided(
            subject=f"disparity of {group}",
            reason=f"{group} has {counted(size, 'row')} for {rate}, fewer than {parameters.min_group_size}",
            next_step=f"give predictions for at least {parameters.min_group_size} such rows of {group}",
            needed_sample=parameters.min_group_size,
        )
        for group, rate, size in compared.too_small
    )


def _open_gap(parameters: ModelFairnessParameters, found: "Disparity", rows: int) -> tuple[Undecided, ...]:
    from quilate.checks.model.statistics.proportions import needed_rows  # noqa: PLC0415 - only where it is open

    limit = parameters.max_disparity
    if Decimal(repr(found.high)) <= limit or Decimal(repr(found.low)) > limit:
        return ()
    needed = needed_rows(found, float(limit))
    if needed is None:
        next_step = "the gap is as good as equal to the limit; agree on another limit"
    elif needed.of_each:
        next_step = f"about {counted(needed.rows, 'row')} of each group compared with {needed.group} settle it"
    else:
        next_step = f"about {needed.rows} rows of {needed.group} settle it"
    return (
        Undecided(
            subject="disparity",
            reason=_summary(parameters, found, rows),
            next_step=next_step,
            needed_sample=needed.rows if needed else None,
        ),
    )
