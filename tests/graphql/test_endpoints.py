"""The read side as GraphQL: what it gives, to whom, and at what cost (C06, C09)."""

from pathlib import Path

import pytest

from quilate.accounts.model import ProjectReference
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult
from quilate.evidence.model import Evidence
from quilate.graphql.schema import schema_text
from quilate.kit.database.database import Database
from tests.graphql.conftest import Graph
from tests.support.run_rows import Ended, decide_by_hand, end_check, finding, outlined, plan_run, submitted_run

ROOT = Path(__file__).resolve().parents[2]
EVERYTHING = """
query Everything($first: Int!) {
  project(slug: "fraud") {
    name
    runs(first: $first) {
      nodes {
        id status verdict event subject { name branch revision }
        checks { id type stage result state attempts flaky findings(first: 5) { nodes { rule severity line } } }
        findings(first: 5) { nodes { check rule } pageInfo { hasNextPage endCursor } }
        decision { verdict decisionDigest blocking { check rule } document }
      }
      pageInfo { hasNextPage endCursor }
    }
    waivers { nodes { rule state until } }
    kpis { releases passed rejected reasons { check rule rejected } }
  }
}
"""


async def judged_runs(database: Database, project: ProjectReference, number: int) -> None:
    for _ in range(number):
        run = await submitted_run(database, project)
        await plan_run(database, project, run, outlined("lint", "tests"))
        lint = Ended(
            check="lint",
            result=CheckResult.FAIL,
            evidence=Evidence(findings=(finding("ruff/E501"), finding("ruff/S324", Severity.LOW, line=2))),
        )
        flaky = Ended(check="tests", result=CheckResult.ERROR, final=False)
        tests = Ended(check="tests", result=CheckResult.PASS, evidence=Evidence(), attempt=2, version=3)
        for ended in (lint, flaky, tests):
            await end_check(database, project, run, ended)
        await decide_by_hand(database, project, run, [lint, tests])


@pytest.mark.asyncio
async def test_one_query_tells_all_of_a_run(graph: Graph) -> None:
    await judged_runs(graph.database, graph.projects["fraud"], 1)

    answer = await graph.ask(EVERYTHING, first=10)

    assert "errors" not in answer
    project = answer["data"]["project"]
    [run] = project["runs"]["nodes"]
    assert (run["status"], run["verdict"]) == ("FAILED", "FAIL")
    assert [(check["id"], check["result"], check["flaky"]) for check in run["checks"]] == [
        ("lint", "FAIL", False),
        ("tests", "PASS", True),
    ]
    assert run["checks"][0]["findings"]["nodes"][0] == {"rule": "ruff/E501", "severity": "HIGH", "line": 1}
    assert [found["rule"] for found in run["findings"]["nodes"]] == ["ruff/E501", "ruff/S324"]
    assert run["decision"]["document"]["verdict"] == "FAIL"
    assert {"check": "lint", "rule": "ruff/E501"} in run["decision"]["blocking"]
    assert (project["kpis"]["releases"], project["kpis"]["rejected"]) == (1, 1)


@pytest.mark.asyncio
async def test_fifty_runs_take_as_many_statements_as_two(graph: Graph) -> None:
    await judged_runs(graph.database, graph.projects["fraud"], 2)
    first = await graph.ask(EVERYTHING, first=20)
    few = len(graph.statements)
    await judged_runs(graph.database, graph.projects["fraud"], 18)
    second = await graph.ask(EVERYTHING, first=20)

    assert len(first["data"]["project"]["runs"]["nodes"]) == 2
    assert len(second["data"]["project"]["runs"]["nodes"]) == 20
    assert len(graph.statements) == few


@pytest.mark.asyncio
async def test_pages_follow_each_other_without_gap_or_overlap(graph: Graph) -> None:
    await judged_runs(graph.database, graph.projects["fraud"], 5)
    query = """query ($after: String!) { project(slug: "fraud") { runs(first: 2, after: $after) {
        nodes { id } pageInfo { hasNextPage endCursor } } } }"""
    seen, after, more = [], "", True
    while more:
        page = (await graph.ask(query, after=after))["data"]["project"]["runs"]
        seen += [run["id"] for run in page["nodes"]]
        after, more = page["pageInfo"]["endCursor"], page["pageInfo"]["hasNextPage"]

    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)


@pytest.mark.asyncio
async def test_findings_are_filtered_and_paged(graph: Graph) -> None:
    await judged_runs(graph.database, graph.projects["fraud"], 1)
    query = """query ($after: String!, $severities: [FindingSeverity!]) { project(slug: "fraud") { runs { nodes {
        findings(first: 1, after: $after, severities: $severities) {
            nodes { rule } pageInfo { hasNextPage endCursor } } } } } }"""

    async def page(after: str, severities: list[str] | None) -> dict[str, object]:
        answer = await graph.ask(query, after=after, severities=severities)
        found: dict[str, object] = answer["data"]["project"]["runs"]["nodes"][0]["findings"]
        return found

    first = await page("", None)
    assert first["nodes"] == [{"rule": "ruff/E501"}]
    second = await page(first["pageInfo"]["endCursor"], None)  # type: ignore[index]
    assert second["nodes"] == [{"rule": "ruff/S324"}]
    assert (await page("", ["LOW"]))["nodes"] == [{"rule": "ruff/S324"}]


@pytest.mark.asyncio
async def test_another_tenants_project_does_not_exist(graph: Graph) -> None:
    await judged_runs(graph.database, graph.projects["fraud"], 1)
    run = (await graph.ask('{ project(slug: "fraud") { runs { nodes { id } } } }'))["data"]["project"]["runs"]["nodes"]

    foreign = await graph.ask('{ project(slug: "fraud") { name } }', caller="stranger")
    missing = await graph.ask('{ project(slug: "nothing") { name } }', caller="stranger")
    by_id = await graph.ask(f'{{ run(project: "other", id: "{run[0]["id"]}") {{ status }} }}', caller="stranger")
    listed = await graph.ask("{ projects { nodes { slug } } }", caller="stranger")

    assert foreign["errors"][0]["extensions"]["status"] == 404
    assert foreign["errors"][0]["message"].replace("fraud", "nothing") == missing["errors"][0]["message"]
    assert by_id["errors"][0]["extensions"]["status"] == 404
    assert listed["data"]["projects"]["nodes"] == [{"slug": "other"}]


@pytest.mark.asyncio
async def test_nobody_is_told_to_log_in(graph: Graph) -> None:
    answer = await graph.client.post("/api/v1/graphql", json={"query": "{ projects { nodes { slug } } }"})

    assert answer.status_code == 401


@pytest.mark.asyncio
async def test_what_is_wrong_with_a_query_is_said(graph: Graph) -> None:
    for query, expected in (
        ("{ project(slug: ", "Syntax Error"),
        ("{ nothing }", "Cannot query field 'nothing'"),
        ('{ project(slug: "fraud") { runs(first: 101) { nodes { id } } } }', "1 to 100"),
        ('{ project(slug: "fraud") { runs(after: "zz") { nodes { id } } } }', "cursor"),
        ('{ project(slug: "fraud") { runs(branch: "a\\u0000b") { nodes { id } } } }', "NUL"),
        ("mutation { projects { nodes { slug } } }", "mutation"),
        ("subscription { projects { nodes { slug } } }", "subscription"),
    ):
        answer = await graph.ask(query)
        assert expected.lower() in answer["errors"][0]["message"].lower(), query


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["", "Other", "\x00", None])
async def test_a_query_that_is_not_in_the_document_is_said_to_be_missing(graph: Graph, name: str | None) -> None:
    query = "query A { projects { nodes { slug } } } query B { projects { nodes { slug } } }"
    body = {"query": query if name is None else query.partition(" query B")[0], "operationName": name}
    answer = await graph.client.post("/api/v1/graphql", json=body, headers={"Authorization": "Bearer dev"})

    assert answer.status_code == 200, answer.text
    assert answer.json()["data"] is None
    assert "operationName" in answer.json()["errors"][0]["message"]


def test_the_committed_schema_is_the_generated_one() -> None:
    committed = (ROOT / "docs" / "schema.graphql").read_text(encoding="utf-8")

    assert committed == schema_text(), "python -m quilate.graphql.schema"
