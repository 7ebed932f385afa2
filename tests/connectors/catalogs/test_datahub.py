"""Assertions in DataHub over real HTTP, of the shapes of its published metadata model (C05).

The shapes are those of the aspects in ``acryl-datahub`` 1.7.0.17 (Apache-2.0), by
``scripts/extract_datahub_schemas.py``; the server keeps aspects as ``/openapi/v3/entity`` does: the last value of each,
and of ``assertionRunEvent``, which is a series in time, one for each moment.
"""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

import jsonschema
import pytest

from quilate.connectors.catalogs.datahub import DataHub, DataHubSettings
from quilate.deliveries.catalog import settings_of
from quilate.deliveries.connector import DeliveryError, RunReport
from quilate.domain.errors import ConfigurationError
from tests.connectors.catalogs.contract import TOKEN, CatalogContract
from tests.support.connectors import MemoryContext, check, failing, finished_event, open_context, passing, unknown
from tests.support.receivers import Received, Reply, receiver

MODEL = json.loads((Path(__file__).parents[2] / "support" / "schemas" / "datahub.json").read_bytes())["aspects"]
DATASET = "urn:li:dataset:(urn:li:dataPlatform:postgres,shop.public.payments,PROD)"


class TestDataHub(CatalogContract):
    """The shared cases."""

    type: ClassVar[str] = "datahub"

    def settings(self, base_url: str, **changes: Any) -> DataHubSettings:
        return DataHubSettings(
            **{"base_url": f"{base_url}/", "platform": "postgres", "dataset": "shop.public.payments", **changes}
        )

    def check_shape(self, request: Received) -> None:
        assert request.path == "/openapi/v3/entity/assertion?async=false"
        for entity in request.json():
            check_entity(entity)


def check_entity(entity: dict[str, Any]) -> None:
    """Fail where an entity's aspects are not of the published shapes, or speak of different things."""
    urn = entity["urn"]
    assert urn.startswith("urn:li:assertion:")
    assert {name for name in entity if name != "urn"} == set(MODEL)
    for name, schema in MODEL.items():
        assert set(entity[name]) == {"value"}
        jsonschema.Draft202012Validator(schema).validate(entity[name]["value"])
    run, info = entity["assertionRunEvent"]["value"], entity["assertionInfo"]["value"]
    assert run["assertionUrn"] == urn
    # A custom assertion and its results have to be about a dataset.
    assert run["asserteeUrn"] == info["customAssertion"]["entity"] == DATASET


@dataclass(slots=True, kw_only=True)
class Catalogue:
    """What DataHub keeps."""

    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    results: dict[tuple[str, int], dict[str, Any]] = field(default_factory=dict)

    def answer(self, request: Received) -> Reply:
        """Answer as DataHub does."""
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(status=401)
        if request.method == "GET":
            known = unquote(request.path) == f"/openapi/v3/entity/dataset/{DATASET}"
            return Reply(body=json.dumps({"urn": DATASET}).encode()) if known else Reply(status=404)
        for entity in request.json():
            check_entity(entity)
            self.definitions[entity["urn"]] = entity["assertionInfo"]["value"]
            run = entity["assertionRunEvent"]["value"]
            self.results[entity["urn"], run["timestampMillis"]] = run
        return Reply(body=request.body)

    def last(self) -> dict[str, str]:
        """Return the last result of each assertion, by what it is of."""
        ordered = sorted(self.results.items(), key=lambda each: each[0][1])
        return {self.definitions[urn]["customAssertion"]["type"]: run["result"]["type"] for (urn, _), run in ordered}


@asynccontextmanager
async def opened(catalogue: Catalogue, **changes: Any) -> AsyncIterator[MemoryContext]:
    """Give a context for a connection to a catalogue."""
    with receiver(catalogue.answer) as outside:
        given = {"base_url": outside.url, "platform": "postgres", "dataset": "shop.public.payments", **changes}
        async with open_context(settings_of(DataHub(), given), secrets={"token": TOKEN}) as context:
            yield context


async def told(catalogue: Catalogue, *reports: RunReport) -> None:
    """Deliver the ends of runs."""
    async with opened(catalogue) as context:
        for report in reports:
            context.learn(report)
            await DataHub().deliver(finished_event(report), context)


@pytest.mark.asyncio
async def test_verdict_and_checks_are_assertions_with_a_history() -> None:
    catalogue = Catalogue()
    first = failing(1)
    assert first.ended_at is not None
    second = passing(2, ended_at=first.ended_at.replace(hour=23))
    await told(catalogue, first, first, second)

    assert len(catalogue.definitions) == 3
    assert len(catalogue.results) == 6
    assert {each["type"] for each in catalogue.definitions.values()} == {"CUSTOM"}
    gate = next(urn for urn, each in catalogue.definitions.items() if each["customAssertion"]["type"] == "Quilate gate")
    history = [run for (urn, _), run in sorted(catalogue.results.items()) if urn == gate]
    assert [each["result"]["type"] for each in history] == ["FAILURE", "SUCCESS"]
    assert [each["runId"] for each in history] == [str(first.id), str(second.id)]
    assert "findings, limit 0" in history[0]["result"]["nativeResults"]["reason"]
    assert history[0]["result"]["externalUrl"] == first.url


@pytest.mark.asyncio
async def test_what_was_not_measured_is_an_error_and_no_older_success_stands_for_it() -> None:
    catalogue = Catalogue()
    results = ("pass", "warn", "fail", "undecided", "error", "timed_out", "cancelled", "skipped", "not_applicable")
    checks = tuple(check(f"c{result}", result, type=f"data.{result}") for result in results)
    await told(catalogue, replace(unknown(), checks=checks))

    unmeasured = dict.fromkeys((f"Quilate data.{name}" for name in results[3:8]), "ERROR")
    assert catalogue.last() == {
        "Quilate gate": "ERROR",
        "Quilate data.pass": "SUCCESS",
        "Quilate data.warn": "SUCCESS",
        "Quilate data.fail": "FAILURE",
        **unmeasured,
    }


@pytest.mark.asyncio
async def test_the_test_delivery_finds_a_dataset_that_datahub_does_not_know() -> None:
    async with opened(Catalogue()) as context:
        assert "shop.public.payments" in (await DataHub().probe(context)).summary
    async with opened(Catalogue(), dataset="shop.public.nothing") as context:
        with pytest.raises(DeliveryError, match="knows no dataset") as caught:
            await DataHub().probe(context)
    assert caught.value.permanent
    assert caught.value.next_step


def test_a_name_is_written_into_the_urn_as_datahub_writes_it() -> None:
    settings = DataHubSettings(base_url="https://datahub.test", platform="s3", dataset="a,b(c)d%/é", environment="DEV")
    assert settings.urn == "urn:li:dataset:(urn:li:dataPlatform:s3,a%2Cb%28c%29d%/é,DEV)"


@pytest.mark.parametrize(
    "wrong",
    [{"platform": "urn:li:dataPlatform:s3"}, {"platform": "s3,x"}, {"dataset": " "}, {"environment": "PROD)"}],
)
def test_settings_that_cannot_be_right_are_refused(wrong: dict[str, str]) -> None:
    given = {"base_url": "https://datahub.test", "platform": "s3", "dataset": "a", **wrong}
    with pytest.raises(ConfigurationError):
        settings_of(DataHub(), given)
