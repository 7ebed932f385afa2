"""Oversized, too many and too frequent requests are refused with a document (C06, C07)."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from fastapi import FastAPI, Request
from starlette.middleware import Middleware

from quilate.kit.web.limits import BodyLimit, BodyLimiter, ConcurrencyLimiter, RateLimiter, TokenBuckets
from tests.support.web_apps import WRITER, client_of, small_app


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _routes(app: FastAPI) -> None:
    @app.post("/json")
    async def take_json(body: dict[str, str]) -> int:
        return len(body)

    @app.post("/raw")
    @app.post("/uploads/a")
    async def take(request: Request) -> int:
        return len(await request.body())

    @app.post("/parts")
    async def take_parts(request: Request) -> int:
        total = 0
        async for piece in request.stream():
            total += len(piece)
        return total


def _limited() -> FastAPI:
    limits = [BodyLimit(pattern=r"/uploads/[^/]+", largest_bytes=5000)]
    return small_app(_routes, layers=[Middleware(BodyLimiter, writer=WRITER, largest_bytes=1000, others=limits)])


async def _pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"x" * 100


@pytest.mark.asyncio
@pytest.mark.parametrize("path", ["/raw", "/parts", "/json"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_long_body_is_refused_however_it_comes(path: str, chunked: bool) -> None:  # noqa: FBT001 - a parameter
    content = _pieces(11) if chunked else b"x" * 1001
    async with client_of(_limited()) as client:
        answer = await client.post(path, content=content, headers={"Content-Type": "application/json"})

    assert answer.status_code == 413
    assert answer.json()["type"].endswith("/too-large")
    assert answer.headers["connection"] == "close"


@pytest.mark.asyncio
async def test_bodies_within_the_limit_of_their_route_pass() -> None:
    async with client_of(_limited()) as client:
        assert (await client.post("/raw", content=b"x" * 1000)).json() == 1000
        assert (await client.post("/raw", content=_pieces(10))).json() == 1000
        assert (await client.post("/uploads/a", content=_pieces(50))).json() == 5000
        assert (await client.post("/uploads/a", content=_pieces(51))).status_code == 413
        lying = await client.post("/raw", content=_pieces(11), headers={"Content-Length": "5"})
        assert lying.status_code == 413


def test_buckets_fill_again_with_time() -> None:
    clock = Clock()
    buckets = TokenBuckets(per_second=2, burst=3, clock=clock)

    assert [buckets.take(b"a") for _ in range(3)] == [0, 0, 0]
    assert buckets.take(b"a") == pytest.approx(0.5)
    assert buckets.take(b"b") == 0
    clock.now += 0.5
    assert buckets.take(b"a") == 0
    assert buckets.take(b"a") > 0
    clock.now += 100
    assert [buckets.take(b"a") > 0 for _ in range(4)] == [False, False, False, True]


def test_callers_seen_long_ago_are_forgotten() -> None:
    buckets = TokenBuckets(per_second=1, burst=1, clock=Clock())
    for number in range(50_001):
        buckets.take(str(number).encode())

    assert buckets.take(b"0") == 0
    assert buckets.take(b"50000") > 0


def _rated(clock: Clock) -> FastAPI:
    def add(app: FastAPI) -> None:
        @app.get("/health")
        @app.get("/thing")
        async def thing() -> int:
            return 1

    return small_app(add, layers=[Middleware(RateLimiter, writer=WRITER, per_second=2, clock=clock)])


@pytest.mark.asyncio
async def test_a_caller_that_asks_too_often_is_told_when_to_come_back() -> None:
    clock = Clock()
    app = _rated(clock)
    async with client_of(app) as client, client_of(app, client=("10.0.0.9", 1)) as other:
        answers = [await client.get("/thing") for _ in range(5)]
        refused = answers[4]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 200, 429]
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["ratelimit-policy"] == '"client";q=4;w=2'
        assert refused.headers["ratelimit"] == '"client";r=0;t=1'
        assert refused.json()["next_step"]
        assert (await client.get("/health")).status_code == 200
        assert (await other.get("/thing")).status_code == 200
        clock.now += 1
        assert (await client.get("/thing")).status_code == 200


@pytest.mark.asyncio
async def test_a_login_is_limited_wherever_it_is_used_from() -> None:
    app = _rated(Clock())
    statuses = []
    for number in range(5):
        async with client_of(app, client=(f"10.0.0.{number}", 1)) as client:
            answer = await client.get("/thing", headers={"Authorization": "Bearer t"})
            statuses.append(answer.status_code)

    assert statuses == [200, 200, 200, 200, 429]
    assert answer.headers["ratelimit"].startswith('"login"')


@pytest.mark.asyncio
async def test_beyond_so_many_at_a_time_others_wait_outside() -> None:
    hold = asyncio.Event()
    inside = asyncio.Semaphore(0)

    def add(app: FastAPI) -> None:
        @app.get("/slow")
        async def slow() -> int:
            inside.release()
            await hold.wait()
            return 1

        @app.get("/health")
        async def health() -> int:
            return 1

    app = small_app(add, layers=[Middleware(ConcurrencyLimiter, writer=WRITER, most=2)])
    async with client_of(app) as client:
        under_way = [asyncio.create_task(client.get("/slow")) for _ in range(2)]
        for _ in under_way:
            await asyncio.wait_for(inside.acquire(), 10)
        refused = await client.get("/slow")
        healthy = await client.get("/health")
        hold.set()
        finished = [answer.status_code for answer in await asyncio.gather(*under_way)]

        assert refused.status_code == 503
        assert refused.headers["retry-after"] == "1"
        assert healthy.status_code == 200
        assert finished == [200, 200]
        assert (await client.get("/slow")).status_code == 200
