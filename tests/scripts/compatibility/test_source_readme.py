"""Each HTTP call of the source README, in its order, against ``quilate up --local`` (A01 to A05, A17, A19)."""

import gzip
import json
import time
from typing import Any

import brotli  # type: ignore[import-untyped]
import httpx
import pytest
import zstandard

from tests.support.bacen import FIRST_SCRIPT, SCRIPT
from tests.support.local_service import local_service
from tests.support.source_scripts import SIX_RECORDS, THREE_GROUPS

pytestmark = pytest.mark.slow

_DEADLINE_SECONDS = 60.0


def completed(client: httpx.Client, execution: str) -> dict[str, Any]:
    """Ask as the document does until the execution has ended."""
    end = time.monotonic() + _DEADLINE_SECONDS
    while True:
        answer = client.get(f"/api/executions/{execution}")
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["status"] not in {"Pending", "Running"}:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.02)


def made(client: httpx.Client, **fields: str) -> str:
    answer = client.post("/api/scripts", json=fields)
    assert answer.status_code == 201, answer.text
    script = answer.json()
    assert answer.headers["Location"] == f"/api/scripts/{script['id']}"
    assert {"id", "name", "content", "description", "createdAt", "updatedAt"} <= set(script)
    return str(script["id"])


def test_every_call_of_the_readme_succeeds_in_its_order() -> None:
    with local_service() as service, httpx.Client(base_url=service.url, timeout=30, follow_redirects=True) as client:
        # "Acesso aos Serviços", "Como Usar a API" 1 to 4.
        assert client.get("/swagger").status_code == 200
        health = client.get("/health")
        assert (health.status_code, health.text) == (200, "Healthy")
        assert client.get("/hangfire").status_code == 200
        filtering = made(
            client,
            name="Filtro Básico",
            content="function process(data) { return data.filter(item => item.ativo === true); }",
            description="Filtra apenas itens ativos",
        )
        listed = client.get("/api/scripts")
        assert [script["id"] for script in listed.json()] == [filtering]
        run = client.post(
            f"/api/scripts/{filtering}/execute",
            json={"inputData": [{"nome": "Item 1", "ativo": True}, {"nome": "Item 2", "ativo": False}]},
        )
        assert run.status_code == 202, run.text
        assert run.headers["Location"] == f"/api/executions/{run.json()['id']}"
        ended = completed(client, run.json()["id"])
        assert (ended["status"], ended["outputData"]) == ("Completed", [{"nome": "Item 1", "ativo": True}])
        assert ended["executionTimeMs"] >= 0

        # "Sistema de Backup Automatizado", "Backups Manuais".
        for kind in ("database", "logs", "cleanup"):
            backup = client.post(f"/api/backup/{kind}")
            assert (backup.status_code, backup.json()["success"]) == (200, True), backup.text

        # "Script de Processamento Complexo", as printed: its own filter leaves nothing.
        complex_script = made(client, name="Processamento Complexo", content=FIRST_SCRIPT)
        run = client.post("/api/executions", json={"scriptId": complex_script, "data": SIX_RECORDS})
        assert completed(client, run.json()["id"])["outputData"] == []

        # "Exemplo de Uso" 1 to 3 of the second half.
        corporate = made(
            client,
            name="Processamento Cartões Corporativos",
            description="Filtra cartões empresariais e agrupa por trimestre e bandeira",
            content=SCRIPT,
        )
        found = client.get(f"/api/scripts/{corporate}").json()
        assert (found["name"], found["content"]) == ("Processamento Cartões Corporativos", SCRIPT)
        run = client.post("/api/executions", json={"scriptId": corporate, "data": SIX_RECORDS[:1]})
        assert completed(client, run.json()["id"])["outputData"] == []
        run = client.post("/api/executions", json={"scriptId": corporate, "data": SIX_RECORDS})
        assert completed(client, run.json()["id"])["outputData"] == THREE_GROUPS
        assert len(client.get("/api/executions").json()) == 4
        of_script = client.get(f"/api/executions/by-script/{corporate}").json()
        assert {each["scriptId"] for each in of_script} == {corporate}
        assert len(of_script) == 2

        # "Gestão de Scripts": change and delete.
        changed = client.put(
            f"/api/scripts/{filtering}",
            json={"name": "Filtro", "content": "function process(data) { return data.length; }"},
        )
        assert (changed.status_code, changed.json()["name"]) == (200, "Filtro"), changed.text
        run = client.post(f"/api/scripts/{filtering}/execute", json={"inputData": [1, 2]})
        assert completed(client, run.json()["id"])["outputData"] == 2
        assert client.delete(f"/api/scripts/{filtering}").status_code == 204
        assert client.get(f"/api/scripts/{filtering}").status_code == 404
        assert client.post("/api/executions", json={"scriptId": filtering, "data": []}).status_code == 404


def test_the_other_spellings_and_the_aliases_of_the_fields_work() -> None:
    with local_service() as service, httpx.Client(base_url=service.url, timeout=30) as client:
        uploaded = client.post("/api/Scripts", json={"nome": "soma", "codigo": "function process(d) { return d.n }"})
        assert uploaded.status_code == 201, uploaded.text
        script = uploaded.json()["id"]
        job = client.post("/api/Processing", json={"scriptId": script, "dadosEntrada": {"n": 3}})
        assert job.status_code == 201, job.text
        completed(client, job.json())
        found = client.get(f"/api/Processing/{job.json()}").json()
        assert (found["id"], found["scriptId"], found["status"], found["result"]) == (
            job.json(),
            script,
            "completed",
            3,
        )
        assert client.get(f"/api/processing/{job.json()}").json() == found
        two = {"scriptId": script, "data": {"n": 1}, "inputData": {"n": 2}}
        refused = client.post("/api/executions", json=two)
        assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
        sent = json.dumps({"scriptId": script, "data": {"n": 5}}).encode()
        compressed = {
            "gzip": gzip.compress(sent),
            "br": brotli.compress(sent),
            "zstd": zstandard.compress(sent),
        }
        for encoding, content in compressed.items():
            headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
            run = client.post("/api/executions", content=content, headers=headers)
            assert run.status_code == 202, run.text
            assert completed(client, run.json()["id"])["outputData"] == 5
            cut = client.post("/api/executions", content=content[:-3], headers=headers)
            assert cut.status_code == 400, encoding
        unknown = client.post("/api/executions", content=sent, headers={"Content-Encoding": "compress"})
        assert unknown.status_code == 415


def test_a_change_that_is_refused_changes_nothing() -> None:
    """Content and name are changed together or not at all."""
    with local_service() as service, httpx.Client(base_url=service.url, timeout=30) as client:
        content = "function process(data) { return 1 }"
        for name in ("taken", "mine"):
            uploaded = client.post("/api/scripts", json={"name": name, "content": content})
            assert uploaded.status_code == 201, uploaded.text
        address = f"/api/scripts/{uploaded.json()['id']}"
        before = client.get(address).json()
        wanted = {"name": "taken", "content": "function process(data) { return 2 }"}

        refused = client.put(address, json=wanted)
        assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (409, "already-exists")
        assert client.get(address).json() == before

        assert client.put(address, json={**wanted, "name": "free"}).status_code == 200
        after = client.get(address).json()
        assert (after["name"], after["content"]) == ("free", wanted["content"])
