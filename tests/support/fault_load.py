"""Submissions over HTTP to a service whose processes die: each under a key of its own, again until it is accepted.

Whatever is refused must be a problem document; what may be tried again must say when.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.support.durable import PROJECT_FILE
from tests.support.fault_service import PROJECT, FaultService

RUNS_PATH = f"/api/v1/projects/{PROJECT}/runs"
_ACCEPTED = 202
_PASSING = {429, 503}
_PAUSE_SECONDS = 0.1
_PATIENCE_SECONDS = 300.0
_MALFORMED: tuple[tuple[bytes, int], ...] = (
    (b'{"source":', 400),
    (b"\xff\xfe\x00", 400),
    (b'{"source":{"kind":"ftp"}}', 422),
    (b'{"source":{"kind":"none"},"project_file":"a","priority":1e400}', 422),
    (b'{"source":{"kind":"none"},"project_file":"a\\u0000b"}', 422),
    (b'{"unknown":1}', 422),
    (b'{"parameters":{"a":"' + b"x" * (11 << 20) + b'"}}', 413),
)


def fault_of_refusal(answer: httpx.Response) -> str:
    """Return what is wrong with a refusal; empty where it is a problem document as it should be."""
    kind = answer.headers.get("content-type", "")
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if kind != "application/problem+json" or not isinstance(document, dict):
        return f"{answer.status_code} is no problem document: {kind} {answer.text[:200]}"
    missing = {"type", "title", "status", "detail"} - document.keys()
    if missing or document["status"] != answer.status_code:
        return f"{answer.status_code} lacks {sorted(missing)} or says another status: {answer.text[:200]}"
    if answer.status_code in _PASSING and not answer.headers.get("retry-after", "").isdigit():
        return f"{answer.status_code} does not say when to come back: {answer.text[:200]}"
    return ""


@dataclass(slots=True, kw_only=True)
class Load:
    """Who submits, and what came of it.

    Attributes:
        client: Sends with a login.
        body: The submission.
        blueprints: Taken in turn.
        choice: Decides what is sent twice or malformed.
        accepted: The run of each number.
        refusals: Refusals by status.
        cut: Requests that nobody answered.
        wrong: What must not have happened.
    """

    client: httpx.AsyncClient
    body: Mapping[str, Any]
    blueprints: Sequence[str]
    choice: random.Random
    accepted: dict[int, str] = field(default_factory=dict)
    refusals: Counter[int] = field(default_factory=Counter)
    repeated: int = 0
    cut: int = 0
    wrong: list[str] = field(default_factory=list)

    async def submit(self, number: int) -> None:
        """Submit one run until it is accepted, now and then twice at once or once more."""
        if self.choice.random() < 0.1:
            await self._malformed()
        if self.choice.random() < 0.1:
            await asyncio.gather(self._until_accepted(number), self._until_accepted(number))
        else:
            await self._until_accepted(number)
        if self.choice.random() < 0.1:
            await self._until_accepted(number)

    async def _until_accepted(self, number: int) -> None:
        body = {**self.body, "blueprint": self.blueprints[number % len(self.blueprints)]}
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                answer = await self._ask(json.dumps(body).encode(), {"Idempotency-Key": f"run-{number}"})
                if answer is not None and answer.status_code == _ACCEPTED:
                    self._take(number, answer)
                    return
                if answer is not None and answer.status_code not in _PASSING:
                    self.wrong.append(f"a good submission was refused: {answer.status_code} {answer.text[:300]}")
                    return
                await asyncio.sleep(_PAUSE_SECONDS)

    def _take(self, number: int, answer: httpx.Response) -> None:
        run = str(answer.json()["id"])
        known = self.accepted.setdefault(number, run)
        if known != run:
            self.wrong.append(f"one key gave two runs: {known} and {run}")
        self.repeated += not answer.json()["created"]

    async def _malformed(self) -> None:
        content, status = self.choice.choice(_MALFORMED)
        answer = await self._ask(content, {})
        if answer is not None and answer.status_code not in {status, 503}:
            self.wrong.append(f"{content[:60]!r} was answered with {answer.status_code} in place of {status}")

    async def _ask(self, content: bytes, headers: Mapping[str, str]) -> httpx.Response | None:
        declared = {"Content-Type": "application/json", **headers}
        try:
            answer = await self.client.post(RUNS_PATH, content=content, headers=declared)
        except httpx.TransportError:
            self.cut += 1
            return None
        if answer.status_code != _ACCEPTED:
            self.refusals[answer.status_code] += 1
            fault = fault_of_refusal(answer)
            if fault:
                self.wrong.append(fault)
        return answer


@asynccontextmanager
async def load_on(
    service: FaultService, token: str, *, blueprints: Sequence[str] = ("test",), seed: int = 0, connections: int = 32
) -> AsyncIterator[Load]:
    """Give somebody who submits runs without files to a service."""
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx.AsyncClient(base_url=service.url, headers=headers, limits=limits, timeout=60) as client:
        body = {"source": {"kind": "none"}, "project_file": PROJECT_FILE}
        choice = random.Random(seed)  # noqa: S311 - repeatable, no secret
        yield Load(client=client, body=body, blueprints=blueprints, choice=choice)
