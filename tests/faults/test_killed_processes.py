"""API killed in mid-request, PostgreSQL killed under load, connections cut: one run for each key (C04, C06, C07)."""

import asyncio
import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psycopg
import pytest

from quilate.app.service.processes import API, BACKGROUND, WORKER
from quilate.kit.database.database import Database
from tests.support.durable import PROJECT_FILE, blueprint, rows, until
from tests.support.fault_judge import describe_stuck, gather_facts, judge
from tests.support.fault_load import RUNS_PATH, Load, load_on
from tests.support.fault_service import FaultService, fault_service, kill_server, own_postgres, sign_in

_RUNS = 60
_BODY = {"source": {"kind": "none"}, "project_file": PROJECT_FILE}
_LEASE = {"QUILATE_LEASE_SECONDS": "3", "QUILATE_BEAT_SECONDS": "0.5"}


def headers_of(token: str, key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Idempotency-Key": key}


async def send_again(service: FaultService, token: str, key: str) -> httpx.Response:
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as client:
        return await client.post(RUNS_PATH, json=_BODY, headers=headers_of(token, key))


@pytest.mark.asyncio
async def test_an_api_killed_before_the_commit_has_taken_nothing_in(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with (
        fault_service(database_url, tmp_path) as service,
        await psycopg.AsyncConnection.connect(database_url) as blocking,
    ):
        token = await sign_in(service)
        await blocking.execute("LOCK TABLE run_submissions IN SHARE MODE")
        request = asyncio.create_task(send_again(service, token, "k"))

        async def waits_for_the_lock() -> bool:
            waiting = await rows(
                database, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = %s",
                urlsplit(database_url).path[1:],
            )  # fmt: skip
            return bool(waiting)

        await until(waits_for_the_lock)
        await asyncio.to_thread(service.kill, service.processes["api-0"])
        with pytest.raises(httpx.TransportError):
            await request
        await blocking.rollback()
        service.start(API)
        again = await send_again(service, token, "k")
        assert (again.status_code, again.json()["created"]) == (202, True)
        found = await rows(database, "SELECT id FROM runs")
        assert [str(row["id"]) for row in found] == [again.json()["id"]]


@pytest.mark.asyncio
async def test_an_answer_that_nobody_heard_is_given_again_for_the_same_key(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    async with fault_service(database_url, tmp_path) as service:
        token = await sign_in(service)
        content = json.dumps(_BODY).encode()
        named = headers_of(token, "k") | {
            "Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": str(len(content))
        }  # fmt: skip
        head = "".join(f"{name}: {value}\r\n" for name, value in named.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(service.url).port)
        writer.write(f"POST {RUNS_PATH} HTTP/1.1\r\n{head}\r\n".encode() + content)
        (first,) = await until(lambda: rows(database, "SELECT id FROM runs"))
        await asyncio.to_thread(service.kill, service.processes["api-0"])
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        del reader
        service.start(API)
        again = await send_again(service, token, "k")
        assert (again.status_code, again.json()["created"], again.json()["id"]) == (202, False, str(first["id"]))
        assert len(await rows(database, "SELECT 1 FROM runs")) == 1


def four_checks(ledger: Path) -> str:
    return blueprint(
        "{id: t_STAGE, type: TEST_TRIVIAL, required: true}\n"
        "{id: u_STAGE, type: TEST_TRIVIAL, required: true}\n"
        f"{{id: w_STAGE, type: TEST_EFFECT, required: true, ledger: {ledger}}}\n"
        f"{{id: e_STAGE, type: TEST_EFFECT, required: false, effects: true, ledger: {ledger}}}"
    )


async def under_faults(url: str, directory: Path, disturb: Callable[[], None]) -> Load:
    """Submit runs while PostgreSQL is disturbed again and again; judge what is left."""
    async with fault_service(url, directory, _LEASE) as service:
        token = await sign_in(service, four_checks(directory / "ledger"))
        for role in (WORKER, BACKGROUND):
            service.start(role)
        async with load_on(service, token) as load, Database.open(url, max_size=2) as database:

            async def disturbing() -> None:
                for part in (0.2, 0.5, 0.8):
                    await until(lambda part=part: enough(load, part))  # type: ignore[misc]
                    await asyncio.to_thread(disturb)

            async def submitting() -> None:
                gate = asyncio.Semaphore(4)

                async def one(number: int) -> None:
                    async with gate:
                        await load.submit(number)

                await asyncio.gather(*map(one, range(_RUNS)))

            async def all_ended() -> bool:
                for process in service.processes.values():
                    # As `quilate up` does: a worker whose lease ran out meanwhile ends and is started again.
                    process.ended()
                    if process.process is None:
                        process.start()
                with contextlib.suppress(psycopg.Error):
                    return not await rows(database, "SELECT 1 FROM runs WHERE step IS NOT NULL")
                return False

            await asyncio.gather(submitting(), disturbing())
            try:
                await until(all_ended, seconds=90)
            except AssertionError:
                raise AssertionError(await describe_stuck(database, service.logs())) from None
            await service.stop()
            entries = await asyncio.to_thread(service.exported_entries)
            facts = await gather_facts(database, entries, directory / "ledger")
    assert [*judge(list(load.accepted.values()), 4, facts), *load.wrong] == []
    assert len(load.accepted) == _RUNS
    return load


async def enough(load: Load, part: float) -> bool:
    return len(load.accepted) >= _RUNS * part


@pytest.mark.slow
def test_postgres_killed_under_load_loses_nothing_that_was_accepted(tmp_path: Path) -> None:
    with own_postgres(tmp_path / "postgres") as (server, url):
        asyncio.run(under_faults(url, tmp_path, lambda: kill_server(server, url)))


@pytest.mark.slow
def test_cut_connections_are_made_anew_and_nobody_hears_of_it(database_url: str, tmp_path: Path) -> None:
    def cut() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            for _ in range(5):
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND datname = current_database()"
                )

    load = asyncio.run(under_faults(database_url, tmp_path, cut))
    assert load.cut == 0
