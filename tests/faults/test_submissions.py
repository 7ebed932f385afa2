"""Oversized, malformed, doubled and a thousand submissions at once, over real connections (C06, C08)."""

import asyncio
import contextlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from quilate.kit.database.database import Database
from tests.support.durable import PROJECT_FILE, rows
from tests.support.fault_load import RUNS_PATH, fault_of_refusal
from tests.support.fault_service import FaultService, fault_service, sign_in

pytestmark = pytest.mark.asyncio
_GOOD: dict[str, Any] = {"source": {"kind": "none"}, "project_file": PROJECT_FILE}
_JSON = {"Content-Type": "application/json"}
_LONGEST = 1 << 20


def caller(service: FaultService, token: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=service.url, headers={"Authorization": f"Bearer {token}"}, timeout=60)


async def test_bad_submissions_are_refused_with_a_document_and_leave_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    good = json.dumps(_GOOD).encode()
    cases: list[tuple[int, bytes, dict[str, str]]] = [
        (413, b'{"parameters":{"a":"' + b"x" * _LONGEST + b'"}}', _JSON),
        (413, b"x" * (8 * _LONGEST), _JSON),
        (422, b"", _JSON),
        (400, good[:-1], _JSON),
        (400, b"\xff\xfe\x00\x01", _JSON),
        (400, b"[" * 100_000, _JSON),
        (415, good, {"Content-Type": "text/plain"}),
        (422, b"[]", _JSON),
        (422, b'"text"', _JSON),
        (422, b'{"source":{"kind":"ftp"}}', _JSON),
        (422, b'{"source":{"kind":"none"}}', _JSON),
        (422, b'{"unknown":1}', _JSON),
        (422, good.replace(b"ds-batch", b"ds-\\u0000batch"), _JSON),
        (422, b'{"parameters":{"a":1e999},"source":{"kind":"none"},"project_file":"a"}', _JSON),
        (422, b'{"priority":"' + b"9" * 400 + b'"}', _JSON),
        (422, good, {**_JSON, "Idempotency-Key": "k" * 300}),
    ]
    wrong = []
    async with fault_service(database_url, tmp_path, {"QUILATE_REQUEST_BYTES": str(_LONGEST)}) as service:
        token = await sign_in(service)
        async with caller(service, token) as client:
            for status, content, headers in cases:
                answer = await client.post(RUNS_PATH, content=content, headers=headers)
                fault = fault_of_refusal(answer)
                if answer.status_code != status or fault:
                    wrong.append(f"{content[:60]!r}: {answer.status_code} in place of {status}; {fault} {answer.text}")
    assert wrong == []
    assert await rows(database, "SELECT 1 FROM runs") == []


async def test_a_chunked_body_without_end_is_cut_off_with_a_document(database_url: str, tmp_path: Path) -> None:
    async def endless() -> Any:
        for _ in range(64):
            yield b"x" * (_LONGEST // 8)

    async with fault_service(database_url, tmp_path, {"QUILATE_REQUEST_BYTES": str(_LONGEST)}) as service:
        token = await sign_in(service)
        async with caller(service, token) as client:
            answer = await client.post(RUNS_PATH, content=endless(), headers=_JSON)
            assert (answer.status_code, fault_of_refusal(answer)) == (413, "")


async def test_one_key_many_times_at_once_is_one_run(database: Database, database_url: str, tmp_path: Path) -> None:
    async with fault_service(database_url, tmp_path) as service:
        token = await sign_in(service)
        async with caller(service, token) as client:
            named = {"Idempotency-Key": "one"}
            answers = await asyncio.gather(*(client.post(RUNS_PATH, json=_GOOD, headers=named) for _ in range(100)))
            other = await client.post(RUNS_PATH, json={**_GOOD, "priority": 1}, headers=named)
    assert {answer.status_code for answer in answers} == {202}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sum(answer.json()["created"] for answer in answers) == 1
    assert (other.status_code, other.json()["type"].rpartition("/")[2]) == (422, "idempotency-mismatch")
    assert len(await rows(database, "SELECT 1 FROM runs")) == 1


async def _thousand(service: FaultService, token: str) -> tuple[dict[str, str], Counter[int], list[str]]:
    """Submit 1,000 runs at once; return the accepted ones by key, the refusals, and what is wrong with them."""
    accepted: dict[str, str] = {}
    refused: Counter[int] = Counter()
    wrong: list[str] = []

    async def one(client: httpx.AsyncClient, number: int) -> None:
        answer = await client.post(RUNS_PATH, json=_GOOD, headers={"Idempotency-Key": f"run-{number}"})
        if answer.status_code == 202:
            accepted[f"run-{number}"] = answer.json()["id"]
            return
        refused[answer.status_code] += 1
        wrong.extend(fault for fault in [fault_of_refusal(answer)] if fault)

    async with contextlib.AsyncExitStack() as stack:
        # The client's own pool is slow with a thousand connections, and would be what is measured.
        clients = [await stack.enter_async_context(caller(service, token)) for _ in range(10)]
        await asyncio.gather(*(one(clients[number % 10], number) for number in range(1000)))
    return accepted, refused, wrong


@pytest.mark.slow
async def test_a_thousand_at_once_are_all_accepted(database: Database, database_url: str, tmp_path: Path) -> None:
    async with fault_service(database_url, tmp_path) as service:
        token = await sign_in(service)
        accepted, refused, wrong = await _thousand(service, token)
    assert (wrong, refused, len(accepted)) == ([], Counter(), 1000)
    assert {str(row["id"]) for row in await rows(database, "SELECT id FROM runs")} == set(accepted.values())


@pytest.mark.slow
async def test_of_a_thousand_at_once_beyond_the_limits_each_is_accepted_or_told_when_to_come_back(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    limits = {"QUILATE_CONCURRENT_REQUESTS": "50"}
    async with fault_service(database_url, tmp_path, limits) as service:
        token = await sign_in(service)
        await rows(database, "UPDATE projects SET max_queued_runs = 300 RETURNING id")
        accepted, refused, wrong = await _thousand(service, token)
    assert wrong == []
    assert set(refused) <= {429, 503}
    assert refused.total() + len(accepted) == 1000
    assert accepted
    assert refused
    assert {str(row["id"]) for row in await rows(database, "SELECT id FROM runs")} == set(accepted.values())
