"""Breakers in the database: what one worker learns all know, audited and listed (C07, C10)."""

import asyncio
from datetime import timedelta

import pytest

from quilate.accounts.model import Actor, ActorKind, Principal
from quilate.kit.backoff import Backoff
from quilate.kit.circuit_breaker import BreakerPolicy, BreakerState
from quilate.kit.database.database import Database
from quilate.ops.breakers import BreakerService, audit_transition
from quilate.outbox.breakers import Breakers, CircuitOpenError
from tests.support.governance import GovernanceApi

_TARGET = "https://tracker.example"
_POLICY = BreakerPolicy(failures=3, pause=Backoff(first_seconds=30, longest_seconds=900), probe_seconds=60)


def _breakers(database: Database) -> Breakers:
    return Breakers(database, audit_transition, policy=_POLICY)


async def _fail(breakers: Breakers, times: int) -> None:
    for _ in range(times):
        with pytest.raises(ConnectionError):
            async with breakers.guarded(_TARGET):
                raise ConnectionError


async def _pause_is_over(api: GovernanceApi) -> None:
    await api.rows("UPDATE circuit_breakers SET retry_at = now() - interval '1 second'")


@pytest.mark.asyncio
async def test_a_target_that_fails_is_left_alone_by_every_worker(api: GovernanceApi, database_url: str) -> None:
    await _fail(_breakers(api.database), 3)
    async with Database.open(database_url, name="other worker") as other:
        called = False
        with pytest.raises(CircuitOpenError) as caught:
            async with _breakers(other).guarded(_TARGET):
                called = True
        assert not called
        assert 25 < caught.value.retry_seconds <= 30
        assert caught.value.next_step.startswith("it is tried again in")
        async with _breakers(other).guarded("https://elsewhere.example"):
            pass


@pytest.mark.asyncio
async def test_one_of_many_tries_after_the_pause_and_its_success_closes_it(api: GovernanceApi) -> None:
    breakers = _breakers(api.database)
    await _fail(breakers, 3)
    await _pause_is_over(api)
    outcomes = await asyncio.gather(*(breakers.admit(_TARGET) for _ in range(8)), return_exceptions=True)
    permits = [each for each in outcomes if not isinstance(each, BaseException)]
    assert len(permits) == 1
    assert all(isinstance(each, CircuitOpenError) for each in outcomes if isinstance(each, BaseException))
    await breakers.report(permits[0], succeeded=True)
    async with breakers.guarded(_TARGET):
        pass
    actions = [each for each in await api.audited() if each.startswith("circuit-breaker")]
    assert actions == ["circuit-breaker.open", "circuit-breaker.half-open", "circuit-breaker.closed"]
    assert (await api.entries())[0]["subject"] == f"circuit-breaker:{_TARGET}"


@pytest.mark.asyncio
async def test_a_trying_call_that_fails_opens_it_for_longer(api: GovernanceApi) -> None:
    breakers = _breakers(api.database)
    await _fail(breakers, 3)
    await _pause_is_over(api)
    await _fail(breakers, 1)
    (row,) = await api.rows("SELECT state, openings, retry_at - now() AS left FROM circuit_breakers")
    assert (row["state"], row["openings"]) == ("open", 2)
    assert timedelta(seconds=50) < row["left"] <= timedelta(seconds=60)


@pytest.mark.asyncio
async def test_a_success_forgets_failures_and_many_workers_count_together(api: GovernanceApi) -> None:
    breakers = _breakers(api.database)
    await _fail(breakers, 2)
    async with breakers.guarded(_TARGET):
        pass
    await _fail(breakers, 2)
    assert (await api.rows("SELECT state FROM circuit_breakers"))[0]["state"] == "closed"
    permits = [await breakers.admit("https://b.example") for _ in range(6)]
    await asyncio.gather(*(breakers.report(permit, succeeded=False) for permit in permits))
    (row,) = await api.rows("SELECT state, failures, openings FROM circuit_breakers WHERE target LIKE '%b.example'")
    assert row == {"state": "open", "failures": 3, "openings": 1}


@pytest.mark.asyncio
async def test_operators_list_them_and_nobody_else(api: GovernanceApi) -> None:
    breakers = _breakers(api.database)
    await _fail(breakers, 3)
    await breakers.report(await breakers.admit("https://a.example"), succeeded=False)
    service = BreakerService(api.database)
    everything = await service.listed(state=None, after="", limit=10)
    assert [(each.target, each.state) for each in everything] == [
        ("https://a.example", BreakerState.CLOSED),
        (_TARGET, BreakerState.OPEN),
    ]
    assert [each.target for each in await service.listed(state=BreakerState.OPEN, after="", limit=10)] == [_TARGET]
    assert [each.target for each in await service.listed(state=None, after="https://a.example", limit=1)] == [_TARGET]
    assert (await api.as_caller("ann").get("/circuit-breakers")).status_code == 403
    operator = Principal(actor=Actor(kind=ActorKind.USER, id="root"), user_id=None, instance_admin=True)
    api.principals["root"] = operator
    answer = await api.as_caller("root").get("/circuit-breakers", params={"state": "open", "limit": 1})
    assert [each["target"] for each in answer.json()["items"]] == [_TARGET]
    assert answer.json()["items"][0]["failures"] == 3
