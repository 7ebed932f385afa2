"""The state that a change names by `If-Match` (A12)."""

import pytest

from quilate.kit.web.problems import Problem
from quilate.kit.web.tags import named_tag


def test_one_strong_tag_names_the_state() -> None:
    assert named_tag('"abc-1"') == "abc-1"
    assert named_tag(' "abc-1" ') == "abc-1"


def test_any_state_is_enough_only_where_the_change_says_so() -> None:
    assert named_tag("*") is None
    with pytest.raises(Problem) as refused:
        named_tag("*", any_state=False)
    assert refused.value.status == 428


@pytest.mark.parametrize(("header", "status"), [(None, 428), ("", 412), ('W/"a"', 412), ('"a", "b"', 412), ("a", 412)])
def test_what_names_no_single_state_is_refused(header: str | None, status: int) -> None:
    with pytest.raises(Problem) as refused:
        named_tag(header)
    assert refused.value.status == status
    assert refused.value.next_step
