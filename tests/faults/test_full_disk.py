"""A full disk under the artifacts: a problem document, UNKNOWN with its reason, no crash; health says it (C04, C10)."""

import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest

import tests.support.durable_checks  # noqa: F401 - makes its check types known
from quilate.app.service.processes import BACKGROUND, WORKER
from quilate.kit.database.database import Database
from tests.support.durable import PROJECT_FILE, blueprint, ended, rows, running_worker, submission, submit, until
from tests.support.fault_disk import small_disk
from tests.support.fault_load import RUNS_PATH, fault_of_refusal
from tests.support.fault_service import PROJECT, fault_service, sign_in

CHECKS = """\
{id: long_STAGE, type: TEST_LONG, required: true}
{id: kept_STAGE, type: TEST_ARTIFACT, required: true}
{id: t_STAGE, type: TEST_TRIVIAL, required: true}
"""
LONG_RULE = " and ".join(["all_required_checks_pass"] * 900)
_MEBIBYTES = 300


class Caller:
    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def submit(self, name: str) -> str:
        body = {"source": {"kind": "none"}, "project_file": PROJECT_FILE, "blueprint": name}
        answer = await self._client.post(RUNS_PATH, json=body)
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    async def run(self, run: str) -> dict[str, Any]:
        return dict((await self._client.get(f"{RUNS_PATH}/{run}")).json())

    async def ended(self, run: str) -> dict[str, Any]:
        async def has_ended() -> dict[str, Any] | None:
            found = await self.run(run)
            return found if found["ended_at"] else None

        return dict(await until(has_ended, seconds=40))

    async def readiness(self, status: int) -> dict[str, Any]:
        async def is_so() -> dict[str, Any] | None:
            answer = await self._client.get("/health/ready")
            return dict(answer.json()) if answer.status_code == status else None

        return dict(await until(is_so))

    async def upload(self) -> httpx.Response:
        path = f"/api/v1/projects/{PROJECT}/datasets/rows/versions?file_name=rows.csv"
        headers = {"Content-Type": "application/octet-stream"}
        return await self._client.post(path, content=b"a,b\n" + b"1,2\n" * 100_000, headers=headers)

    async def make_dataset(self) -> None:
        answer = await self._client.post(f"/api/v1/projects/{PROJECT}/datasets", json={"name": "rows"})
        assert answer.status_code == 201, answer.text


@pytest.mark.slow
@pytest.mark.asyncio
async def test_a_full_disk_is_said_and_passes(database_url: str, tmp_path: Path) -> None:
    long_rule = blueprint("{id: t_STAGE, type: TEST_TRIVIAL, required: true}", policy=LONG_RULE)
    with small_disk(tmp_path / "state" / "artifacts", _MEBIBYTES) as disk:
        async with fault_service(database_url, tmp_path, prefix=disk.prefix) as service:
            token = await sign_in(service, blueprint(CHECKS), long_rule.replace("id: test", "id: long-rule"))
            worker = service.start(WORKER)
            service.start(BACKGROUND)
            headers = {"Authorization": f"Bearer {token}"}
            async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=30) as client:
                caller = Caller(client)
                await caller.make_dataset()
                await caller.readiness(200)
                disk.fill()

                ready = await caller.readiness(503)
                assert ready["checks"]["disk"]["status"] == "failed"
                refused = await caller.upload()
                assert (refused.status_code, fault_of_refusal(refused)) == (503, "")
                assert "full" in refused.json()["detail"]

                waiting = await caller.submit("long-rule")
                found = await caller.ended(await caller.submit("test"))
                checks = {check["id"]: check for stage in found["stages"] for check in stage["checks"]}
                assert found["verdict"] == "UNKNOWN"
                assert {name: check["result"] for name, check in checks.items()} == {
                    "long_0": "error", "kept_0": "error", "t_0": "pass"
                }  # fmt: skip
                for name in ("long_0", "kept_0"):
                    assert "the artifact store is full" in checks[name]["attempts"][-1]["reason"]
                    assert checks[name]["attempts"][-1]["next_step"]
                # A decision that is too long for the database waits for room; it is not made without being kept.
                assert (await caller.run(waiting))["ended_at"] is None

                disk.free()
                await caller.readiness(200)
                assert (await caller.upload()).status_code == 201
                assert (await caller.ended(waiting))["verdict"] == "PASS"
                assert (await caller.ended(await caller.submit("test")))["verdict"] == "PASS"
            assert worker.process is not None
            assert worker.process.poll() is None, service.log("worker-0")


@pytest.mark.asyncio
async def test_a_worker_that_cannot_write_its_own_files_says_so_and_goes_on(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path / "home"))
    text = blueprint("{id: w_STAGE, type: TEST_WORK, required: true}")
    async with running_worker(database_url, tmp_path, blueprint_text=text):
        (scratch,) = tmp_path.glob("worker-*/scratch")  # noqa: ASYNC240 - one short directory
        shutil.rmtree(scratch)
        (run,) = await submit(database, submission())
        assert (await ended(database, run.run_id))["verdict"] == "UNKNOWN"
        (attempt,) = await rows(database, "SELECT result, reason, next_step FROM check_attempts")
        assert (attempt["result"], "cannot make the check's directory" in attempt["reason"]) == ("error", True)
        assert attempt["next_step"]
        scratch.mkdir()
        (run,) = await submit(database, submission())
        assert (await ended(database, run.run_id))["verdict"] == "PASS"
