"""Nobody overwrites what they have not seen (C06; RFC 9110, section 13)."""

import pytest

from quilate.kit.web.conditional import etag_of, is_known, matched_version, require_match
from quilate.kit.web.problems import Problem

TAG = etag_of(7)


@pytest.mark.parametrize("header", ['"7"', ' "7" ', '"6", "7"', '"6","7"', "*"])
def test_an_update_of_the_present_state_goes_through(header: str) -> None:
    require_match(header, TAG)


@pytest.mark.parametrize(
    ("header", "status"), [(None, 428), ('"6"', 412), ('W/"7"', 412), ("7", 412), ("", 412), ('x "7"', 412)]
)
def test_an_update_of_another_state_is_refused(header: str | None, status: int) -> None:
    with pytest.raises(Problem) as refused:
        require_match(header, TAG)

    assert refused.value.status == status
    if status == 412:
        assert refused.value.headers["ETag"] == '"7"'


def test_a_version_is_read_for_the_statement_that_compares_it() -> None:
    assert matched_version('"12"') == 12
    assert matched_version("*") is None


@pytest.mark.parametrize(
    ("header", "status"), [(None, 428), ('"a"', 412), ('"1", "2"', 412), ('W/"1"', 412), ('"99999999999"', 412)]
)
def test_what_is_no_version_is_refused(header: str | None, status: int) -> None:
    with pytest.raises(Problem) as refused:
        matched_version(header)

    assert refused.value.status == status


@pytest.mark.parametrize(
    ("header", "known"),
    [('"7"', True), ('W/"7"', True), ('"6", W/"7"', True), ("*", True), ('"6"', False), (None, False), ("7", False)],
)
def test_what_the_caller_has_is_not_sent_again(header: str | None, known: bool) -> None:  # noqa: FBT001 - a parameter
    assert is_known(header, TAG) is known
