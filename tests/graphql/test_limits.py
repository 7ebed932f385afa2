"""Queries that ask for too much are refused before anything is read (C06)."""

import time

import pytest
from graphql import GraphQLError
from hypothesis import given
from hypothesis import strategies as st

from quilate.graphql.limits import DEEPEST, parsed, require_affordable
from tests.graphql.conftest import Graph


def judged(query: str, **variables: object) -> None:
    require_affordable(parsed(query), variables)


def test_what_people_ask_for_is_allowed() -> None:
    judged(
        '{ project(slug: "a") { runs(first: 50) { nodes { checks { id findings(first: 10) { nodes { rule } } } } } } }'
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("{ a" * (DEEPEST + 1) + "{ b }" + " }" * (DEEPEST + 1), "levels deep"),
        ("{ projects(first: 100) { nodes { runs(first: 100) { nodes { checks { id findings { x } } } } } } }", "nodes"),
        ("{ projects(first: 100) { nodes { kpis { releases } runs(first: 5) { nodes { id } } } } }", "nodes"),
        ("{" + " ".join(f"a{n}: projects {{ nodes {{ slug }} }}" for n in range(21)) + "}", "at the root"),
        ("{ " + "a " * 3000 + "}", "tokens"),
        ("{ # " + "x" * 20_000 + "\n a }", "characters"),
        ("{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }", "spreads itself"),
    ],
    ids=["deep", "wide", "figures", "aliases", "tokens", "long", "circle"],
)
def test_what_would_cost_too_much_is_refused(query: str, expected: str) -> None:
    with pytest.raises(GraphQLError, match=expected):
        judged(query)


def test_a_page_named_by_a_variable_counts_as_what_it_is() -> None:
    query = "query ($n: Int) { projects(first: $n) { nodes { runs(first: $n) { nodes { checks { id } } } } } }"

    judged(query, n=10)
    with pytest.raises(GraphQLError, match="nodes"):
        judged(query, n=100)
    with pytest.raises(GraphQLError, match="nodes"):
        judged(query)


def test_fragments_within_fragments_take_linear_time() -> None:
    levels = 100
    bomb = "{ ...f0 }" + "".join(
        f' fragment f{n} on Query {{ a: project(slug: "a") {{ name }} ...f{n + 1} ...f{n + 1} }}' for n in range(levels)
    )
    bomb += f" fragment f{levels} on Query {{ projects {{ nodes {{ slug }} }} }}"
    begin = time.process_time()
    with pytest.raises(GraphQLError):
        judged(bomb)

    assert time.process_time() - begin < 5


@given(st.text(max_size=300))
def test_any_text_is_judged_or_refused(text: str) -> None:
    try:
        judged(text)
    except GraphQLError:
        return


@pytest.mark.asyncio
async def test_a_bomb_reads_nothing(graph: Graph) -> None:
    answer = await graph.ask(
        "{ projects(first: 100) { nodes { runs(first: 100) { nodes { findings(first: 100) { nodes { rule } } } } } } }"
    )

    assert answer["data"] is None
    assert "ask for smaller pages" in answer["errors"][0]["message"]
    assert not [text for text in graph.statements if "findings" in text]
