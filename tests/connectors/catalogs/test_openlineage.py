"""Lineage events over real HTTP, valid against the published schemas (C05).

The schemas are those of https://github.com/OpenLineage/OpenLineage (Apache-2.0), ``spec/OpenLineage.json`` 2-0-2 and
``spec/facets`` ErrorMessageRunFacet 1-0-1 and DataQualityAssertionsDatasetFacet 1-0-1, without their prose.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import jsonschema
import pytest
from referencing import Registry, Resource

from quilate.connectors.catalogs.openlineage import OpenLineage, OpenLineageSettings
from quilate.deliveries.connector import RunReport
from tests.connectors.catalogs.contract import TOKEN, CatalogContract
from tests.support.connectors import check, failing, finished_event, open_context, passing, unknown
from tests.support.receivers import Received, receiver

SCHEMAS = Path(__file__).parents[2] / "support" / "schemas" / "openlineage-2-0-2"


def validate(document: Any) -> None:
    """Validate an event and its facets against the published schemas."""
    loaded = [json.loads(path.read_text(encoding="utf-8")) for path in SCHEMAS.glob("*.json")]
    registry: Registry[Any] = Registry().with_resources((each["$id"], Resource.from_contents(each)) for each in loaded)
    facets = [*document["run"]["facets"].values()]
    facets += [facet for each in document["inputs"] for facet in each.get("inputFacets", {}).values()]
    for part, reference in [(document, document["schemaURL"]), *((each, each["_schemaURL"]) for each in facets)]:
        jsonschema.Draft202012Validator(
            {"$ref": reference},
            registry=registry,
            format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER,
        ).validate(part)


class TestOpenLineage(CatalogContract):
    """The shared cases."""

    type: ClassVar[str] = "openlineage"

    def settings(self, base_url: str, **changes: Any) -> OpenLineageSettings:
        return OpenLineageSettings(
            **{"base_url": f"{base_url}/", "dataset_namespace": "postgres://db.test:5432", "dataset": "t", **changes}
        )

    def check_shape(self, request: Received) -> None:
        assert request.path == "/api/v1/lineage"
        validate(request.json())


async def sent(report: RunReport, **settings: Any) -> list[Received]:
    """Deliver the end of a run; return what arrived."""
    with receiver() as outside:
        made = OpenLineageSettings(base_url=f"{outside.url}/", **settings)
        async with open_context(made, secrets={"token": TOKEN}) as context:
            context.learn(report)
            await OpenLineage().deliver(finished_event(report), context)
        return outside.received


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("report", "end"),
    [(passing(), "COMPLETE"), (failing(), "FAIL"), (unknown(), "ABORT")],
    ids=["pass", "fail", "unknown"],
)
async def test_a_run_has_a_start_and_an_end_that_keep_to_the_published_schemas(report: RunReport, end: str) -> None:
    arrived = await sent(report, dataset_namespace="postgres://db.test:5432", dataset="public.payments")
    documents = [each.json() for each in arrived]
    for request, document in zip(arrived, documents, strict=True):
        assert (request.method, request.path) == ("POST", "/api/v1/lineage")
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        validate(document)
        assert document["run"]["runId"] == str(report.id)
        assert document["job"] == {"namespace": "quilate", "name": "fraud.gate", "facets": {}}
        assert document["inputs"][0]["name"] == "public.payments"
    assert [each["eventType"] for each in documents] == ["START", end]
    start, finish = documents
    assert start["eventTime"] <= finish["eventTime"]
    assert "inputFacets" not in start["inputs"][0]
    assert ("errorMessage" in finish["run"]["facets"]) == (end != "COMPLETE")


@pytest.mark.asyncio
async def test_what_was_measured_are_assertions_and_what_was_not_is_none() -> None:
    checks = (
        check("lint", "fail"),
        check("tests"),
        check("drift", "warn"),
        check("scan", "undecided"),
        check("load", "timed_out"),
        check("model", "skipped"),
    )
    _, end = await sent(replace(failing(), checks=checks), dataset_namespace="files")
    quality = end.json()["inputs"][0]["inputFacets"]["dataQualityAssertions"]["assertions"]
    assert quality == [
        {"assertion": "code.lint lint", "success": False},
        {"assertion": "code.lint tests", "success": True},
        {"assertion": "code.lint drift", "success": True},
    ]


@pytest.mark.asyncio
async def test_without_a_namespace_no_dataset_is_named() -> None:
    for request in await sent(passing()):
        assert request.json()["inputs"] == []


@pytest.mark.asyncio
async def test_a_repetition_sends_the_same_events_to_the_path_that_was_set() -> None:
    place = "/openapi/openlineage/api/v1/lineage"
    first, again = await sent(failing(), endpoint=place), await sent(failing(), endpoint=place)
    assert [each.json() for each in first] == [each.json() for each in again]
    assert {each.path for each in first} == {place}
