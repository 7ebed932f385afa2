"""A request sent twice with its key is carried out once, whatever happens in between (C06)."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from starlette.responses import Response

from quilate.kit.database.database import Database
from quilate.kit.web import idempotency
from quilate.kit.web.answers import json_answer
from quilate.kit.web.idempotency import KeyClaim, forget_expired_keys, idempotent, keep_answer
from quilate.kit.web.problems import Problem
from tests.support.web_apps import client_of, small_app


class Maker:
    """Counts what it made; a test decides how a request goes."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.made = 0
        self.hold = asyncio.Event()
        self.hold.set()
        self.begun = asyncio.Event()
        self.error: Exception | None = None
        self.keeps_body = True
        self.size = 0
        self.own_transaction = False

    def add(self, app: FastAPI) -> None:
        @app.post("/things")
        @app.post("/others")
        async def make(request: Request) -> Response:
            who = request.headers.get("x-who", "user:1")
            return await idempotent(request, self.database, who, self.carry_out, keeps_body=self.keeps_body)

    async def carry_out(self, claim: KeyClaim | None) -> Response:
        self.begun.set()
        await self.hold.wait()
        if self.error is not None:
            raise self.error
        self.made += 1
        answer = json_answer(
            {"n": self.made, "text": "x" * self.size},
            status=201,
            headers={"Location": f"/things/{self.made}", "Set-Cookie": "a=b"},
        )
        if self.own_transaction and claim is not None:
            async with self.database.transaction() as connection:
                await keep_answer(connection, claim, answer)
            raise ConnectionResetError("the process died after its commit")
        return answer


async def _post(maker: Maker, key: str | None, body: Any = None, path: str = "/things", who: str = "user:1") -> Any:
    headers = {"x-who": who, **({} if key is None else {"Idempotency-Key": key})}
    async with client_of(small_app(maker.add)) as client:
        return await client.post(path, json=body or {"a": 1}, headers=headers)


@pytest.mark.asyncio
async def test_the_same_request_again_gets_the_first_answer(database: Database) -> None:
    maker = Maker(database)

    first = await _post(maker, "k1")
    again = await _post(maker, '"k1"')
    none = [await _post(maker, None) for _ in range(2)]

    assert maker.made == 3
    assert (first.status_code, first.json()["n"]) == (201, 1)
    assert (again.status_code, again.content) == (201, first.content)
    assert again.headers["location"] == "/things/1"
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert "set-cookie" not in again.headers
    assert [each.json()["n"] for each in none] == [2, 3]


@pytest.mark.asyncio
async def test_a_key_means_one_request_of_one_caller_on_one_route(database: Database) -> None:
    maker = Maker(database)

    await _post(maker, "k")
    other_body = await _post(maker, "k", {"a": 2})
    other_query = await _post(maker, "k", path="/things?x=1")
    other_caller = await _post(maker, "k", who="user:2")
    other_route = await _post(maker, "k", path="/others")

    assert other_body.status_code == other_query.status_code == 422
    assert other_body.json()["type"].endswith("/idempotency-mismatch")
    assert other_caller.status_code == other_route.status_code == 201
    assert maker.made == 3


@pytest.mark.asyncio
async def test_while_the_first_is_under_way_the_second_is_told_to_wait(database: Database) -> None:
    maker = Maker(database)
    maker.hold.clear()
    first = asyncio.create_task(_post(maker, "k"))
    await asyncio.wait_for(maker.begun.wait(), 10)

    second = await _post(maker, "k")
    maker.hold.set()

    assert second.status_code == 409
    assert int(second.headers["retry-after"]) >= 1
    assert (await first).status_code == 201
    assert (await _post(maker, "k")).json()["n"] == 1
    assert maker.made == 1


@pytest.mark.asyncio
async def test_of_many_at_once_one_is_carried_out(database: Database) -> None:
    maker = Maker(database)

    answers = await asyncio.gather(*(_post(maker, "k") for _ in range(20)))

    assert maker.made == 1
    assert {answer.status_code for answer in answers} <= {201, 409}


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [Problem(status=409, type="conflict", detail="no"), RuntimeError("fault")])
async def test_an_error_leaves_the_key_free(database: Database, error: Exception) -> None:
    maker = Maker(database)
    maker.error = error
    failed = await _post(maker, "k")
    maker.error = None

    assert failed.status_code in {409, 500}
    assert (await _post(maker, "k", {"a": 2})).status_code == 201


@pytest.mark.asyncio
async def test_a_key_of_a_dead_process_is_free_after_its_lease(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    maker = Maker(database)
    maker.hold.clear()
    monkeypatch.setattr(idempotency, "LEASE_SECONDS", 0.3)
    dead = asyncio.create_task(_post(maker, "k"))
    await asyncio.wait_for(maker.begun.wait(), 10)
    # It renews its lease as long as it lives.
    async with database.connection() as connection:
        await connection.execute("UPDATE idempotency_keys SET attempt = gen_random_uuid()")
    assert (await _post(maker, "k")).status_code == 409

    maker.hold.set()
    await dead
    async with asyncio.timeout(10):
        while (await _post(maker, "k")).status_code != 201:  # noqa: ASYNC110 - the lease ends in the database
            await asyncio.sleep(0.02)

    # The late answer of the first attempt was not kept over the second one's.
    assert (await _post(maker, "k")).json()["n"] == 2


@pytest.mark.asyncio
async def test_a_key_kept_in_the_services_own_transaction_survives_its_death(database: Database) -> None:
    maker = Maker(database)
    maker.own_transaction = True

    died = await _post(maker, "k")
    again = await _post(maker, "k")

    assert died.status_code == 500
    assert (again.status_code, again.json()["n"]) == (201, 1)
    assert maker.made == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(("keeps_body", "size"), [(False, 0), (True, idempotency.LONGEST_ANSWER)])
async def test_an_answer_that_is_not_kept_is_not_given_again(
    database: Database,
    keeps_body: bool,  # noqa: FBT001 - a parameter of the test
    size: int,
) -> None:
    maker = Maker(database)
    maker.keeps_body, maker.size = keeps_body, size

    first = await _post(maker, "k")
    again = await _post(maker, "k")

    assert first.status_code == 201
    assert again.status_code == 409
    assert again.json()["type"].endswith("/idempotency-not-kept")
    assert again.headers["location"] == "/things/1"
    assert maker.made == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["", "a" * 256, "a\tb", "é"])
async def test_a_malformed_key_is_refused(database: Database, key: str) -> None:
    maker = Maker(database)
    async with client_of(small_app(maker.add)) as client:
        answer = await client.post("/things", headers=[(b"idempotency-key", key.encode("latin-1"))])

    assert answer.status_code == 422
    assert maker.made == 0


@pytest.mark.asyncio
async def test_expired_keys_are_free_and_forgotten(database: Database, tmp_path: Path) -> None:
    maker = Maker(database)
    await _post(maker, "old")
    await _post(maker, "new")
    async with database.connection() as connection:
        await connection.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 s' WHERE key = 'old'")

    assert (await _post(maker, "old", {"a": 2})).json()["n"] == 3
    async with database.connection() as connection:
        await connection.execute("UPDATE idempotency_keys SET expires_at = now() - interval '1 s' WHERE key = 'old'")
    assert await forget_expired_keys(database) == 1
    assert await forget_expired_keys(database) == 0
