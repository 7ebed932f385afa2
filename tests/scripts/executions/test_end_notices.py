"""Ends of executions as their notices hold them (A03, A18)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from uuid import UUID

import pytest

from quilate.kit.database.notices import LARGEST_PAYLOAD, notices
from quilate.kit.ids import uuid7
from quilate.sandbox.model import Failure, FailureClass
from quilate.scripts.executions.end_notices import end_notice, read_ends
from quilate.scripts.executions.model import Claim, Ended, Options, Result
from quilate.scripts.executions.wakeups import DONE_CHANNEL
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import StoredPayload
from tests.support.script_executions import Site, running_worker, until

JSON = {"Content-Type": "application/json"}
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
SECRET = {
    "type": "array",
    "items": {"type": "object", "properties": {"name": {"type": "string", "x-sensitive": True}}},
}


def ended(output: bytes = b"{}", *, failure: Failure | None = None, attempt: int = 1) -> Ended:
    """Return the end of an attempt."""
    payload = StoredPayload(digest="sha256:x", size=len(output), format=FileFormat.JSON, inline=output)
    claim = Claim(
        id=uuid7(),
        project_id=UUID(int=1),
        script_id=UUID(int=2),
        version_id=UUID(int=3),
        fence=attempt,
        attempt=attempt,
        losses=0,
        awaited=True,
        options=Options(),
        input=payload,
        created_by="user:x",
    )
    return Ended(claim=claim, result=Result(output=None if failure else payload, failure=failure, started_at=NOW))


def told(ends: Sequence[Ended]) -> Sequence[str]:
    """Return the payloads that tell of ends."""
    notice = end_notice(ends, {each.claim.id: NOW for each in ends})
    assert notice is not None
    return notice.payloads


@contextlib.asynccontextmanager
async def heard(url: str) -> AsyncIterator[list[str]]:
    """Give what is told of ends during the block."""
    payloads: list[str] = []
    listens = asyncio.Event()

    async def listen() -> None:
        async for payload in notices(url, DONE_CHANNEL):
            listens.set()
            payloads.append(payload)

    listener = asyncio.create_task(listen())
    await listens.wait()
    payloads.clear()
    try:
        yield payloads
    finally:
        listener.cancel()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("function process(data) { console.log('seen'); return {text: 'answer-\\u00e9', number: data[0]}; }", True),
        ("function process(data) { return null; }", True),
        ("function process(data) { return 'answer-'.repeat(1000); }", False),
        ("function process(data) { throw new Error('answer-'); }", False),
    ],
)
async def test_who_waits_hears_what_a_later_reader_reads(
    executions: Site, database_url: str, source: str, *, holds: bool
) -> None:
    version = await executions.script(source)
    path = f"/projects/fraud/scripts/{version.script_id}/executions?wait=20"
    async with running_worker(database_url, executions.directory), heard(database_url) as payloads:
        answer = await executions.client.post(path, content=b"[1.50]", headers=JSON)

        async def is_told() -> bool:
            return bool(payloads)

        await until(is_told, "the notice")
    assert answer.status_code == 200
    read = await executions.client.get(f"/projects/fraud/executions/{answer.json()['id']}")
    assert answer.json() == read.json()
    assert [str(end.id) for end in read_ends(payloads[0])] == ([answer.json()["id"]] if holds else [])


@pytest.mark.asyncio
async def test_what_is_sealed_at_rest_is_in_no_notice(executions: Site, database_url: str) -> None:
    version = await executions.script("function process(data) { return {seen: data.length}; }", input_schema=SECRET)
    path = f"/projects/fraud/scripts/{version.script_id}/executions?wait=20"
    async with running_worker(database_url, executions.directory), heard(database_url) as payloads:
        answer = await executions.client.post(path, content=b'[{"name": "Ana"}]', headers=JSON)

        async def is_told() -> bool:
            return bool(payloads)

        await until(is_told, "the notice")
    assert answer.json()["output"] == {"seen": 1}
    assert payloads == [UUID(answer.json()["id"]).hex]


@pytest.mark.asyncio
async def test_all_who_wait_for_one_execution_hear_of_its_end(executions: Site, database_url: str) -> None:
    version = await executions.script("function process(data) { return data; }")
    asking = [asyncio.create_task(executions.submit(version, b"[1]", key="same", wait=20.0)) for _ in range(4)]
    await asyncio.sleep(0.2)
    async with running_worker(database_url, executions.directory):
        answers = await asyncio.gather(*asking)
    assert len({each.id for each in answers}) == 1
    assert [each.ended.output.inline for each in answers if each.ended and each.ended.output] == [b"[1]"] * 4


def test_many_ends_share_payloads_that_the_server_takes() -> None:
    ends = [ended(b'"' + b"x" * (size * 40) + b'"') for size in range(100)]
    payloads = told(ends)
    assert all(len(each.encode()) <= LARGEST_PAYLOAD for each in payloads)
    assert len(payloads) < len(ends) / 2
    read = [end for each in payloads for end in read_ends(each)]
    assert [(end.id, end.output, end.ended_at) for end in read] == [
        (each.claim.id, each.result.output.inline, NOW) for each in ends if each.result.output
    ]


def test_the_ends_that_are_more_than_a_row_says_are_only_named() -> None:
    failed = ended(failure=Failure(kind=FailureClass.RUNTIME, message="no"))
    again = ended(attempt=2)
    plain = ended()
    names, held = told([failed, again, plain])
    assert names == f"{failed.claim.id.hex},{again.claim.id.hex}"
    assert [end.id for end in read_ends(held)] == [plain.claim.id]


def test_nobody_is_told_of_ends_that_nobody_waits_for() -> None:
    assert end_notice([ended()], {}) is None


@pytest.mark.parametrize("notice", ["", "work", "[", "[1]", '[["x"]]', "{}", UUID(int=7).hex])
def test_a_notice_of_another_kind_holds_no_ends(notice: str) -> None:
    assert read_ends(notice) == ()
