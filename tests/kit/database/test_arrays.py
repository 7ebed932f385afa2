"""Columns that travel as array literals arrive as they were (C07)."""

import math
from collections.abc import Sequence
from typing import Any, LiteralString
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from quilate.kit.database.arrays import boolean_array, bytes_array, number_array, text_array, uuid_array

RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""One empty database serves all examples: nothing is written."""

AWKWARD = st.text(st.sampled_from("\"\\{}, \tNULnul\r\n'%()é\U0001f600\x01\x7f\xa0"), max_size=12)
STORABLE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
TEXTS = st.lists(st.none() | STORABLE | AWKWARD)


@pytest.fixture
def connection(database_url: str) -> Any:
    with psycopg.connect(database_url, autocommit=True) as opened:
        yield opened


def arrived(connection: Any, sql: LiteralString, literal: str) -> list[Any]:
    """Return the elements as PostgreSQL understood them."""
    return [row[0] for row in connection.execute(sql, (literal,)).fetchall()]


@RELAXED
@given(values=TEXTS)
@example(
    values=["", None, "NULL", "null", "NuLl", "nULL", '"', "\\", '\\"', "{", "}", "{}", ",", " ", "'", "%s", "\\N"]
)
@example(values=[])
def test_texts_arrive_as_they_were(connection: Any, values: Sequence[str | None]) -> None:
    found = arrived(
        connection, "SELECT v FROM unnest(%s::text[]) WITH ORDINALITY AS g (v, n) ORDER BY n", text_array(values)
    )
    assert found == values


@RELAXED
@given(before=STORABLE, sign=st.sampled_from(["\0", "\ud800", "\udcff", "\udfff"]), after=STORABLE)
def test_what_no_text_of_postgresql_holds_is_refused_and_never_cut(
    connection: Any, before: str, sign: str, after: str
) -> None:
    with pytest.raises((ValueError, psycopg.DataError)):
        arrived(connection, "SELECT unnest(%s::text[])", text_array([before + sign + after, "next"]))
    assert connection.execute("SELECT 1").fetchone() == (1,)


@RELAXED
@given(values=st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)))
def test_integers_arrive_as_they_were(connection: Any, values: Sequence[int | None]) -> None:
    assert arrived(connection, "SELECT unnest(%s::bigint[])", number_array(values)) == values


@RELAXED
@given(values=st.lists(st.none() | st.floats() | st.booleans().map(int)))
@example(values=[math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308])
def test_numbers_arrive_as_they_were(connection: Any, values: Sequence[float | None]) -> None:
    found = arrived(connection, "SELECT unnest(%s::float8[])", number_array(values))
    # As text, for NaN is not equal to itself and -0.0 is equal to 0.0.
    assert [repr(each) for each in found] == [repr(None if each is None else float(each)) for each in values]


@RELAXED
@given(values=st.lists(st.booleans()))
def test_truths_arrive_as_they_were(connection: Any, values: Sequence[bool]) -> None:
    assert arrived(connection, "SELECT unnest(%s::boolean[])", boolean_array(values)) == values


@RELAXED
@given(values=st.lists(st.none() | st.uuids()))
def test_ids_arrive_as_they_were(connection: Any, values: Sequence[UUID | None]) -> None:
    assert arrived(connection, "SELECT unnest(%s::uuid[])", uuid_array(values)) == values


@RELAXED
@given(values=st.lists(st.none() | st.binary(max_size=40)))
@example(values=[b"", b"\0", b"\\x00", b'"', bytes(range(256))])
def test_bytes_arrive_as_they_were(connection: Any, values: Sequence[bytes | None]) -> None:
    assert arrived(connection, "SELECT unnest(%s::bytea[])", bytes_array(values)) == values
