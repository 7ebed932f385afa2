"""The data set, its contract and the predictions of the demonstration project; everything from one seed."""

import random

SEED = 20260101
"""The same files come out of every run."""

ROWS = 600
PREDICTIONS = 4000

_REGIONS = ("north", "northeast", "midwest", "southeast", "south")
_PRODUCTS = ("card", "loan", "mortgage")
_AGE, _INCOME, _REGION = 1, 2, 5

CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: credit-risk-applications
version: 1.0.0
status: active
name: Credit applications
schema:
  - name: applications
    description: One row per application
    quality:
      - {type: library, metric: rowCount, mustBeGreaterOrEqualTo: 500}
    properties:
      - {name: id, logicalType: string, required: true, unique: true, logicalTypeOptions: {pattern: 'A\\d{5}'}}
      - {name: age, logicalType: integer, required: true, logicalTypeOptions: {minimum: 18, maximum: 110}}
      - {name: income, logicalType: integer, required: true, logicalTypeOptions: {minimum: 0}}
      - {name: debt, logicalType: integer, required: true, logicalTypeOptions: {minimum: 0}}
      - {name: opened_on, logicalType: date, required: true}
      - name: region
        logicalType: string
        required: true
        quality:
          - type: library
            metric: invalidValues
            arguments: {validValues: [north, northeast, midwest, southeast, south]}
            mustBe: 0
      - {name: product, logicalType: string, required: true}
"""
"""The contract, in the shape of the Open Data Contract Standard."""


def applications(*, flawed: bool) -> str:
    """Return the applications as CSV: with five errors, one of each kind, or without."""
    generator = random.Random(SEED)  # noqa: S311 - made-up data, the same in every run
    rows = [_application(generator, number) for number in range(1, ROWS + 1)]
    if flawed:
        rows[40][_INCOME] = ""
        rows[120][_INCOME] = "three thousand"
        rows[200][0] = rows[199][0]
        rows[310][_AGE] = "212"
        rows[450][_REGION] = "atlantis"
    lines = ["id,age,income,debt,opened_on,region,product", *(",".join(row) for row in rows)]
    return "\n".join(lines) + "\n"


def _application(generator: random.Random, number: int) -> list[str]:
    income = generator.randint(12, 120) * 100
    return [
        f"A{number:05}",
        str(generator.randint(18, 79)),
        str(income),
        str(round(income * generator.uniform(0, 9))),
        f"2025-{generator.randint(1, 12):02}-{generator.randint(1, 28):02}",
        generator.choice(_REGIONS),
        generator.choice(_PRODUCTS),
    ]


def predictions(*, flawed: bool) -> str:
    """Return held-out predictions as CSV: bad and unfair ones, or ones that pass decisively.

    The shares are exact, not drawn, so that no interval comes near a limit: fixed, F1 is about 0.92 in both groups;
    flawed, one group's good payers are accepted far less often.
    """
    right = {"a": (0.92, 0.92), "b": (0.92, 0.92)} if not flawed else {"a": (0.80, 0.70), "b": (0.45, 0.85)}
    rows = []
    for group, (found, refused) in right.items():
        half = PREDICTIONS // 4
        rows += [("1", "1" if number < found * half else "0", group) for number in range(half)]
        rows += [("0", "0" if number < refused * half else "1", group) for number in range(half)]
    random.Random(SEED).shuffle(rows)  # noqa: S311 - the order means nothing
    return "\n".join(["y_true,y_pred,age_group", *(",".join(row) for row in rows)]) + "\n"
