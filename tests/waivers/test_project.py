"""C11: the waivers of ``quilate.yaml``; what is missing or wrong is told with its place, all at once."""

from datetime import date, datetime
from typing import Any

import pytest

from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition
from quilate.waivers.project import MAX_WAIVERS, parse_project_waivers, parse_waiver

GOOD: dict[str, Any] = {"rule": "ruff/S324", "reason": "a checksum", "owner": "ana", "until": "2026-12-31"}


def position(index: int = 0) -> SourcePosition:
    return SourcePosition(path="quilate.yaml", line=9 + index, column=5)


def test_a_waiver_with_all_its_keys() -> None:
    raw = {**GOOD, "id": "W-legacy", "approver": "rui", "paths": ["src/legacy/**"], "until": date(2026, 12, 31)}
    found = parse_waiver(raw, index=0, position=position())
    assert (found.id, found.rule, found.paths, found.approver) == ("W-legacy", "ruff/S324", ("src/legacy/**",), "rui")
    assert (found.until, found.source, found.line) == (date(2026, 12, 31), "quilate.yaml:9", None)


@pytest.mark.parametrize(
    "rule", ["ruff/S324", "ruff/S*", "ruff/*", "QL-CRY-001", "QL-CRY-*", "schemathesis/not_a_server_error"]
)
def test_rules(rule: str) -> None:
    assert parse_waiver({**GOOD, "rule": rule}, index=1, position=position()).id == "W-2"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"rule": "S324"}, "waiver 1: 'S324' is no rule id"),
        ({"rule": "*"}, "waiver 1: '*' is no rule id"),
        ({"rule": "ruff/"}, "waiver 1: 'ruff/' is no rule id"),
        ({"rule": "ruff/S3*4"}, "waiver 1: 'ruff/S3*4' is no rule id"),
        ({"rule": 324}, "waiver 1: rule 324 is not a text"),
        ({"rule": ["ruff/S324"]}, "waiver 1: rule ['ruff/S324'] is not a text"),
        ({"reason": None}, "waiver 1: reason is missing"),
        ({"reason": "", "owner": None}, "waiver 1: reason and owner are missing"),
        ({"reason": "  "}, "waiver 1: reason is empty"),
        ({"owner": "a\x07na"}, "waiver 1: owner holds a character that cannot be printed"),
        ({"until": "31/12/2026"}, "waiver 1: until '31/12/2026' is no date"),
        ({"until": "2026-02-30"}, "waiver 1: until '2026-02-30' is no date"),
        ({"until": datetime(2026, 12, 31, 8)}, "waiver 1: until datetime.datetime"),  # noqa: DTZ001 - as YAML gives it
        ({"until": 20261231}, "waiver 1: until 20261231 is no date"),
        ({"aprover": "rui"}, "waiver 1: unknown key 'aprover', did you mean 'approver'?"),
        ({7: "x"}, "waiver 1: unknown key 7"),
        ({"paths": 7}, "waiver 1: paths 7 is no list"),
        ({"paths": [7]}, "waiver 1: the path 7 is not a text"),
        ({"paths": [""]}, "waiver 1: a path is empty"),
        ({"paths": ["/etc/**"]}, "waiver 1: the path '/etc/**' leads out of the project"),
        ({"paths": ["../other/**"]}, "waiver 1: the path '../other/**' leads out of the project"),
        ({"id": ""}, "waiver 1: id is empty"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(changed: dict[Any, Any], message: str) -> None:
    with pytest.raises(ConfigurationError) as raised:
        parse_waiver({**GOOD, **changed}, index=0, position=position())
    assert raised.value.message.startswith(message)
    assert (raised.value.position, bool(raised.value.next_step)) == (position(), True)


def test_all_errors_of_a_list_are_told_at_once() -> None:
    raw = [GOOD, "ruff/S324", {**GOOD, "until": "soon"}, {**GOOD, "id": "W-1"}]
    with pytest.raises(ConfigurationErrors) as raised:
        parse_project_waivers(raw, position)
    assert [(error.position, error.message) for error in raised.value.errors] == [
        (position(1), "waiver 2 is no mapping"),
        (position(2), "waiver 3: until 'soon' is no date"),
        (position(3), "waiver 4: the id 'W-1' is that of the waiver at quilate.yaml:9"),
    ]


def test_a_list_of_waivers_in_its_order() -> None:
    assert [one.id for one in parse_project_waivers([GOOD, GOOD], position)] == ["W-1", "W-2"]


def test_more_waivers_than_anybody_can_read_are_refused() -> None:
    with pytest.raises(ConfigurationErrors, match="at most 10000 are read"):
        parse_project_waivers([GOOD] * (MAX_WAIVERS + 1), position)
