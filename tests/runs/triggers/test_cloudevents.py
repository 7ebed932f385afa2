"""CloudEvents 1.0 in their three modes, judged strictly (C03, A12)."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.kit.web.problems import Problem
from quilate.runs.triggers.cloudevents import BATCHED, STRUCTURED, read_events
from tests.support.triggers_api import TriggersApi
from tests.support.webhooks import commit

_EVENT = {"specversion": "1.0", "id": "1", "source": "/kms", "type": "dev.quilate.key.rotated"}


def _read(document: Any, media_type: str = STRUCTURED) -> Any:
    return read_events({"content-type": media_type}, json.dumps(document).encode(), longest=10_000)


def _pointers(document: Any, media_type: str = STRUCTURED) -> list[str]:
    with pytest.raises(Problem) as caught:
        _read(document, media_type)
    assert caught.value.status == 422
    return [each["pointer"] for each in caught.value.extensions["errors"]]


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"specversion": "0.3"}, ["#/specversion"]),
        ({"specversion": 1.0}, ["#/specversion"]),
        ({"id": ""}, ["#/id"]),
        ({"id": 7}, ["#/id"]),
        ({"id": None}, ["#/id"]),
        ({"source": ""}, ["#/source"]),
        ({"source": "a b"}, ["#/source"]),
        ({"type": ""}, ["#/type"]),
        ({"type": "a\u0007"}, ["#/type"]),
        ({"type": "a\ufffe"}, ["#/type"]),
        ({"subject": ""}, ["#/subject"]),
        ({"time": "2026-11-20"}, ["#/time"]),
        ({"time": "2026-13-20T10:00:00Z"}, ["#/time"]),
        ({"time": "2026-11-20T10:00:00"}, ["#/time"]),
        ({"dataschema": "relative"}, ["#/dataschema"]),
        ({"datacontenttype": "json"}, ["#/datacontenttype"]),
        ({"Upper": "x"}, ["#/"]),
        ({"under_score": "x"}, ["#/"]),
        ({"extension": {"a": 1}}, ["#/extension"]),
        ({"extension": [1]}, ["#/extension"]),
        ({"extension": 1.5}, ["#/extension"]),
        ({"extension": 1 << 31}, ["#/extension"]),
        ({"data": 1, "data_base64": "AA=="}, ["#/data_base64"]),
        ({"data_base64": "?"}, ["#/data_base64"]),
        ({"data_base64": 5}, ["#/data_base64"]),
        ({"id": "", "type": "", "time": "x"}, ["#/id", "#/type", "#/time"]),
    ],
)
def test_what_the_specification_forbids_is_named(changes: dict[str, Any], pointers: list[str]) -> None:
    assert _pointers({**_EVENT, **changes}) == pointers


def test_half_a_character_is_no_json() -> None:
    with pytest.raises(Problem) as caught:
        _read({**_EVENT, "type": "a\ud800"})
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"time": "2026-11-20T10:00:00.123456+05:30"},
        {"time": "2026-12-31T23:59:60Z"},
        {"subject": None, "extension": None},
        {"extension": True, "other": -5, "quilateproject": "fraud"},
        {"dataschema": "https://example.org/schema", "datacontenttype": "application/json; charset=utf-8"},
        {"data": {"a": [1, None]}},
        {"data_base64": base64.b64encode(b"x").decode(), "datacontenttype": "image/png"},
        {"source": "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66"},
        {"source": "https://example.org/a?b=%20c#d"},
        {"source": "1-555-123-4567"},
    ],
)
def test_what_the_specification_allows_is_taken(changes: dict[str, Any]) -> None:
    (event,) = _read({**_EVENT, **changes})
    assert (event.id, event.type) == ("1", "dev.quilate.key.rotated")


def test_all_faults_of_a_batch_are_named_and_a_batch_has_its_limits() -> None:
    assert _read([], BATCHED) == []
    assert len(_read([_EVENT, {**_EVENT, "id": "2"}], BATCHED)) == 2
    assert _pointers([_EVENT, {**_EVENT, "id": ""}, 7], BATCHED) == ["#/1/id", "#/2"]
    for document, media_type in (
        ([_EVENT] * 1001, BATCHED),
        ([{**_EVENT, "data": "x" * 10_000}], BATCHED),
        ({**_EVENT, "data": "x" * 10_000}, STRUCTURED),
    ):
        with pytest.raises(Problem) as caught:
            _read(document, media_type)
        assert caught.value.status == 413


@given(st.binary(max_size=200))
def test_no_body_is_a_fault_of_ours(body: bytes) -> None:
    for media_type in (STRUCTURED, BATCHED):
        assert _status(body, media_type) in {200, 400, 422}


@given(
    st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
)
def test_no_document_is_a_fault_of_ours(document: dict[str, Any]) -> None:
    assert _status(json.dumps({**_EVENT, **document}).encode(), STRUCTURED) in {200, 400, 422}


def _status(body: bytes, media_type: str) -> int:
    try:
        read_events({"content-type": media_type}, body, longest=1 << 20)
    except Problem as problem:
        return problem.status
    return 200


@pytest.mark.asyncio
async def test_the_three_modes_bring_the_same_event_once(api: TriggersApi) -> None:
    address = "/fraud/events"
    structured = await api.call(
        "POST", address, by="dev", content=json.dumps(_EVENT), headers={"Content-Type": f"{STRUCTURED}; charset=utf-8"}
    )
    assert structured.status_code == 202, structured.text
    (event,) = structured.json()["events"]
    binary = await api.call(
        "POST", address, by="dev", content=b'{"branch": "main"}',
        headers={
            "Content-Type": "application/json", "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/kms",
            "ce-type": "dev.quilate.key.rotated", "ce-subject": "Euro%20%E2%82%AC",
        },
    )  # fmt: skip
    batched = await api.call(
        "POST", address, by="dev", content=json.dumps([_EVENT, {**_EVENT, "id": "2"}, {**_EVENT, "id": "2"}]),
        headers={"Content-Type": BATCHED},
    )  # fmt: skip
    assert binary.json()["events"] == [{"id": event["id"], "duplicate": True}]
    assert [each["duplicate"] for each in batched.json()["events"]] == [True, False, True]
    assert len(await api.rows("SELECT 1 FROM inbound_events")) == 2


@pytest.mark.asyncio
async def test_an_event_of_a_key_begins_a_run_where_a_rule_wants_it(api: TriggersApi) -> None:
    rules = [{"name": "keys", "when": 'kind == "key" and action == "rotated"', "supersede": False}]
    etag = (await api.call("GET", "/fraud/trigger-rules")).headers["etag"]
    put = await api.call("PUT", "/fraud/trigger-rules", json={"rules": rules}, headers={"If-Match": etag})
    assert put.status_code == 200, put.text
    event = {**_EVENT, "subject": "kms/a", "data": {"branch": "main", "commit": commit(1), "repository": "evil/x"}}
    await api.call("POST", "/fraud/events", by="dev", content=json.dumps(event), headers={"Content-Type": STRUCTURED})
    await api.worked()
    (run,) = await api.runs()
    assert run["event"] == "key"
    assert run["document"]["source"]["location"] == "https://git.example/acme/fraud.git"
    assert run["document"]["source"]["revision"] == commit(1)
    trigger = run["document"]["trigger"]
    assert (trigger["provider"], trigger["subject"], trigger["repository"], trigger["commit"]) == (
        "cloudevents", "kms/a", "", "",
    )  # fmt: skip


@pytest.mark.asyncio
async def test_at_the_root_each_event_names_its_project(api: TriggersApi) -> None:
    async def send(*events: dict[str, Any], by: str = "dev") -> Any:
        headers = {"Authorization": f"Bearer {by}", "Content-Type": BATCHED}
        return await api.client.post("/events", content=json.dumps(events), headers=headers)

    named = {**_EVENT, "quilateproject": "fraud"}
    assert (await send(named, {**_EVENT, "id": "2", "subject": "project:fraud"})).status_code == 202
    assert (await send(_EVENT)).status_code == 422
    foreign = await send(named | {"id": "9"}, {**_EVENT, "quilateproject": "other"})
    nowhere = await send({**_EVENT, "quilateproject": "nowhere"})
    assert (foreign.status_code, nowhere.status_code) == (404, 404)
    assert foreign.json()["detail"].replace("other", "nowhere") == nowhere.json()["detail"]
    assert (await send(named, by="viewer")).status_code == 403
    assert (await send(named, by="nobody")).status_code == 401
    assert len(await api.rows("SELECT 1 FROM inbound_events")) == 2


@pytest.mark.asyncio
async def test_what_is_no_cloud_event_is_refused(api: TriggersApi) -> None:
    for headers, body, status in (
        ({"Content-Type": "application/json"}, b"{}", 415),
        ({"Content-Type": "application/cloudevents+xml"}, b"<e/>", 415),
        ({}, b"", 415),
        ({"Content-Type": STRUCTURED}, b"{", 400),
        ({"Content-Type": STRUCTURED}, b"[" * 5000, 400),
        ({"Content-Type": STRUCTURED}, b"x" * (1 << 17), 413),
        ({"Content-Type": BATCHED}, b"{}", 422),
        ({"ce-specversion": "1.0", "ce-id": "1"}, b"", 422),
    ):
        answer = await api.call("POST", "/fraud/events", by="dev", content=body, headers=headers)
        assert answer.status_code == status, (headers, answer.text)
        assert answer.json()["next_step"]
