"""The background work ends in order and never in part."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from quilate.app.service.background import run_in_order

Step = Callable[[], Awaitable[None]]


def work(name: str, stop: asyncio.Event, ended: list[str]) -> Awaitable[None]:
    async def until_stop() -> None:
        await stop.wait()
        await asyncio.sleep(0)
        ended.append(name)

    return until_stop()


async def failing() -> None:
    raise ValueError("broken")


@pytest.mark.asyncio
async def test_the_last_one_ends_after_all_others() -> None:
    stop, ending, ended = asyncio.Event(), asyncio.Event(), list[str]()
    running = asyncio.create_task(
        run_in_order(
            stop,
            (work("scheduler", stop, ended), work("recovery", stop, ended)),
            work("sequencer", ending, ended),
            ending,
        )
    )
    await asyncio.sleep(0)
    stop.set()
    await asyncio.wait_for(running, timeout=10)
    assert sorted(ended[:2]) == ["recovery", "scheduler"]
    assert ended[2:] == ["sequencer"]


@pytest.mark.asyncio
async def test_one_that_fails_ends_all_so_that_the_process_is_started_again() -> None:
    stop, ending, ended = asyncio.Event(), asyncio.Event(), list[str]()
    with pytest.raises(ValueError, match="broken"):
        await asyncio.wait_for(
            run_in_order(stop, (failing(), work("recovery", stop, ended)), work("sequencer", ending, ended), ending),
            timeout=10,
        )
    assert ended == ["recovery", "sequencer"]
