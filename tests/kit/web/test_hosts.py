"""Foreign hosts and pages of other sites are refused (C04, A12)."""

import pytest
from fastapi import FastAPI
from starlette.middleware import Middleware

from quilate.kit.web.hosts import HostGuard, host_name
from tests.support.web_apps import WRITER, client_of, small_app


def _app(*, local: bool, hosts: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")) -> FastAPI:
    def add(app: FastAPI) -> None:
        @app.get("/health")
        @app.get("/thing")
        @app.post("/thing")
        async def thing() -> int:
            return 1

    return small_app(add, layers=[Middleware(HostGuard, writer=WRITER, hosts=hosts, local=local)])


async def _status(app: FastAPI, headers: dict[str, str], method: str = "GET", path: str = "/thing") -> int:
    async with client_of(app) as client:
        return (await client.request(method, path, headers=headers)).status_code


@pytest.mark.asyncio
@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("localhost.", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8080", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("user@localhost", 421),
        ("localhost/x", 421),
        ("[::1", 421),
        ("", 421),
    ],
)
async def test_only_its_own_names_are_answered(local: bool, host: str, status: int) -> None:  # noqa: FBT001 - a parameter
    assert await _status(_app(local=local), {"Host": host}) == status


@pytest.mark.asyncio
async def test_probes_name_the_machine_but_not_in_the_single_user_mode() -> None:
    assert await _status(_app(local=False), {"Host": "10.1.2.3"}, path="/health") == 200
    assert await _status(_app(local=True), {"Host": "10.1.2.3"}, path="/health") == 421
    assert await _status(_app(local=False, hosts=("*",)), {"Host": "any.example"}) == 200
    assert await _status(_app(local=True, hosts=("*",)), {"Host": "any.example"}) == 421


@pytest.mark.asyncio
@pytest.mark.parametrize(("local", "advice"), [(False, "QUILATE_ALLOWED_HOSTS"), (True, "single-user mode")])
async def test_the_refusal_says_what_would_help(local: bool, advice: str) -> None:  # noqa: FBT001 - a parameter
    async with client_of(_app(local=local)) as client:
        answer = await client.get("/thing", headers={"Host": "evil.example"})
    assert advice in answer.json()["next_step"]


@pytest.mark.asyncio
async def test_two_hosts_are_none() -> None:
    async with client_of(_app(local=False)) as client:
        answer = await client.get("/thing", headers=[("Host", "localhost"), ("Host", "localhost")])

    assert answer.status_code == 400


OWN = {"Host": "localhost:8080"}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Origin": "http://localhost:8080", "Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "http://localhost:3000"}, 403),
        ({"Origin": "http://127.0.0.1:8080"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_in_the_single_user_mode_other_sites_are_refused(
    headers: dict[str, str], status: int, method: str
) -> None:
    assert await _status(_app(local=True), {**OWN, **headers}, method) == status


@pytest.mark.asyncio
async def test_with_a_login_only_cookies_are_guarded() -> None:
    app = _app(local=False)
    foreign = {**OWN, "Origin": "https://evil.example"}

    assert await _status(app, foreign, "POST") == 200
    assert await _status(app, {**foreign, "Cookie": "a=b"}, "POST") == 403
    assert await _status(app, {**foreign, "Cookie": "a=b"}, "GET") == 200
    assert await _status(app, {**OWN, "Origin": "http://localhost:8080", "Cookie": "a=b"}, "POST") == 200


def test_names_are_read_out_of_hosts() -> None:
    assert host_name("[::1]:80") == "::1"
    assert not host_name("a b?c")
