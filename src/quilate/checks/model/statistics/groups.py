"""Read predictions and compare rates between groups."""

from dataclasses import dataclass

import polars as pl

from quilate.checks.model.parameters import ModelFairnessBinding, ModelFairnessParameters
from quilate.checks.model.statistics import predictions as read
from quilate.checks.model.statistics.proportions import Disparity, Proportion, disparity
from quilate.checks.tables.model import Table
from quilate.checks.tables.reader import read_table
from quilate.checks.workspace import Workspace
from quilate.domain.errors import EvidenceError

MAX_GROUPS = 100
"""More groups than this are values of a quantity or names, not groups."""

_NAME_CHARACTERS = 60
_BINARY = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The disparity, ``None`` where no two groups could be compared.

    ``too_small`` are the groups left out: name, rate and number of rows.
    """

    disparity: Disparity | None
    groups: int
    smallest: int
    rows: int
    too_small: tuple[tuple[str, str, int], ...]


def compare_groups(
    workspace: Workspace, parameters: ModelFairnessParameters, binding: ModelFairnessBinding
) -> Compared:
    """Return the disparity between the groups of each group column.

    Raises:
        EvidenceError: The file or a value in it cannot be used.
    """
    table = read_table(workspace, binding.predictions, delimiter=binding.delimiter, encoding=binding.encoding)
    table.require_rectangular()
    if not binding.groups:
        raise EvidenceError("no group column is bound", next_step="bind `groups` to the columns to compare by")
    table.require_columns(binding.groups, "groups")
    if table.rows == 0:
        raise EvidenceError(f"{table.path} has no predictions", next_step="bind a file with records")
    frame = _prepared(table, parameters, binding)
    families: list[list[Proportion]] = []
    for number, column in enumerate(binding.groups):
        for rate, rows in _rates(frame, parameters.measure):
            families.append(_family(table, rows, f"group{number}", column, rate))
    kept = [[one for one in family if one.size >= parameters.min_group_size] for family in families]
    small = tuple(
        (one.group, one.rate, one.size) for family in families for one in family if one.size < parameters.min_group_size
    )
    comparable = [family for family in kept if len(family) >= _BINARY]
    return Compared(
        disparity=disparity(comparable, float(parameters.confidence)) if comparable else None,
        groups=len({one.group for family in families for one in family}),
        smallest=min((one.size for family in families for one in family), default=0),
        rows=table.rows,
        too_small=small,
    )


def _prepared(table: Table, parameters: ModelFairnessParameters, binding: ModelFairnessBinding) -> pl.DataFrame:
    positive = read.canonical_label(str(binding.positive))
    if binding.y_pred not in table.frame.columns and binding.score in table.frame.columns:
        hit = pl.Series("hit", read.numbers(table, binding.score) >= float(parameters.decision_threshold))
    else:
        table.require_columns((binding.y_pred,), "y_pred")
        labels = read.labels(table, binding.y_pred)
        hit = (labels == positive).alias("hit")
        _require_positive(labels, positive, binding.y_pred, table.path)
    groups = [
        table.frame[column].fill_null("(missing)").alias(f"group{at}") for at, column in enumerate(binding.groups)
    ]
    columns = [hit, *groups]
    if parameters.measure != "demographic_parity":
        table.require_columns((binding.y_true,), "y_true")
        truth = read.labels(table, binding.y_true)
        _require_positive(truth, positive, binding.y_true, table.path)
        columns.append((truth == positive).alias("truth"))
    return pl.DataFrame(columns)


def _require_positive(labels: pl.Series, positive: str, column: str, path: str) -> None:
    """Refuse a positive label that looks mistyped: two other labels are there and it is not."""
    names = sorted(labels.unique().to_list())
    if positive not in names and len(names) >= _BINARY:
        raise EvidenceError(
            f"{path}: no {column} is the positive label {positive!r}",
            next_step=f"bind `positive` to one of {', '.join(names[:10])}",
        )


def _rates(frame: pl.DataFrame, measure: str) -> tuple[tuple[str, pl.DataFrame], ...]:
    if measure == "demographic_parity":
        return (("the share of positive predictions", frame),)
    sensitivity = ("the true positive rate", frame.filter(pl.col("truth")))
    if measure == "equal_opportunity":
        return (sensitivity,)
    return (sensitivity, ("the false positive rate", frame.filter(~pl.col("truth"))))


def _family(table: Table, rows: pl.DataFrame, key: str, column: str, rate: str) -> list[Proportion]:
    everyone = table.frame[column].fill_null("(missing)").unique().sort()
    if len(everyone) > MAX_GROUPS:
        raise EvidenceError(
            f"{table.path}: {column} has {len(everyone)} different values, more than {MAX_GROUPS} groups",
            next_step="bind a column of groups; cut a quantity into classes first",
        )
    counted = rows.group_by(key).agg(pl.col("hit").sum().alias("hits"), pl.len().alias("size"))
    by_group = {str(group): (int(hits), int(size)) for group, hits, size in counted.iter_rows()}
    return [
        Proportion(group=f"{column}={group[:_NAME_CHARACTERS]}", rate=rate, hits=hits, size=size)
        for group in everyone.to_list()
        for hits, size in (by_group.get(group, (0, 0)),)
    ]
