"""No value that YAML can hold makes a check type fail with anything but a placed error (C02)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from quilate.blueprints.model import BlueprintCheck
from quilate.blueprints.parameters import checked_binding, checked_parameters, field_names
from quilate.checks.registry import CHECK_TYPES, load_check
from quilate.domain.errors import SourcePosition
from quilate.domain.ids import CheckId, CheckType

AT = SourcePosition(path="b.yaml", line=7, column=9)
HOSTILE: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53,
    Decimal("3.5"),
    Decimal("-1e30"),
    "",
    "\0",
    "x" * 10_000,
    date(2026, 1, 1),
    [],
    [[]],
    ["a", 1],
    {},
    {"a": {"b": []}},
)


@pytest.mark.parametrize("check_type", sorted(CHECK_TYPES))
def test_hostile_values_are_placed_errors_or_accepted(check_type: str) -> None:
    kind = load_check(check_type)
    for name in (*field_names(kind.parameters), "severity_threshold"):
        for value in HOSTILE:
            check = BlueprintCheck(
                id=CheckId("c"),
                type=CheckType(check_type),
                parameters={"max_latency_ms_p95": 1, name: value} if check_type == "LOAD_TEST" else {name: value},
                position=SourcePosition(path="b.yaml", line=6),
                parameter_positions={name: AT},
            )
            checked, errors = checked_parameters(check)
            assert (checked is None) == bool(errors)
            assert all(error.position and error.position.path == "b.yaml" for error in errors)
    for name in field_names(kind.binding):
        for value in HOSTILE:
            binding, error = checked_binding("c", kind, {name: value}, {"c": AT})
            assert (binding is None) == (error is not None)


def test_a_wrong_value_is_placed_at_its_key() -> None:
    check = BlueprintCheck(
        id=CheckId("c"),
        type=CheckType("MODEL_METRICS"),
        parameters={"min_metrics": {"f1_score": "high"}},
        position=SourcePosition(path="b.yaml", line=6),
        parameter_positions={"min_metrics": AT},
    )
    _, (error,) = checked_parameters(check)
    assert error.position == AT
    assert error.message.startswith("c: ")


@pytest.mark.parametrize("text", ["NaN", "-nan", "Infinity", "inf", "1e999999999", "1e-999999999"])
@pytest.mark.parametrize(
    ("check_type", "name", "value"),
    [("COMPLEXITY", "max_complexity", "{}"), ("MODEL_METRICS", "min_metrics", {"f1_score": "{}"})],
)
def test_a_limit_that_nothing_can_breach_is_refused(check_type: str, name: str, value: Any, text: str) -> None:
    given = dict.fromkeys(value, text) if isinstance(value, dict) else text
    check = BlueprintCheck(
        id=CheckId("c"),
        type=CheckType(check_type),
        parameters={name: given},
        parameter_positions={name: AT},
        position=AT,
    )

    found, (error,) = checked_parameters(check)

    assert found is None
    assert f"{name}: " in error.message
    assert error.position == AT
