"""Scripts in the whole application, read and run by its real sandbox (A01, A02, A05, A07)."""

import json
from pathlib import Path
from typing import Any

import pytest

from quilate.kit.database.database import Database
from tests.support.web_apps import service_client

_BASE = "/api/v1/projects/default/scripts"
_CARDS = """function process(data) {
  const corporate = data.filter(item => item.produto === "Empresarial");
  const groups = corporate.reduce((acc, item) => {
    const key = `${item.trimestre}-${item.nomeBandeira}`;
    if (!acc[key]) acc[key] = { trimestre: item.trimestre, nomeBandeira: item.nomeBandeira, qtdCartoesAtivos: 0 };
    acc[key].qtdCartoesAtivos += item.qtdCartoesAtivos;
    return acc;
  }, {});
  return Object.values(groups);
}
"""
_RECORDS: list[dict[str, Any]] = [
    {"trimestre": "20231", "nomeBandeira": "VISA", "produto": "Empresarial", "qtdCartoesAtivos": 3},
    {"trimestre": "20231", "nomeBandeira": "VISA", "produto": "Empresarial", "qtdCartoesAtivos": 4},
    {"trimestre": "20231", "nomeBandeira": "Elo", "produto": "Platinum", "qtdCartoesAtivos": 9},
]


@pytest.mark.asyncio
async def test_a_script_is_tested_pushed_activated_and_rolled_back(
    database_url: str, database: Database, tmp_path: Path
) -> None:
    async with service_client(database_url, tmp_path, local=True, sandbox_min_level="process") as client:
        project = await client.post("/api/v1/projects", json={"slug": "default", "name": "Default"})
        assert project.status_code in {201, 409}, project.text
        tested = await client.post(f"{_BASE}/test", json={"source": _CARDS, "data": _RECORDS})
        assert tested.status_code == 200, tested.text
        groups = [{"trimestre": "20231", "nomeBandeira": "VISA", "qtdCartoesAtivos": 7}]
        assert (tested.json()["output"], tested.json()["failure"]) == (groups, None)

        refused = await client.post(_BASE, json={"name": "bad", "source": "function process(d) { return eval(d); }"})
        assert refused.status_code == 422, refused.text
        assert refused.json()["type"].endswith("/problems/script-rejected")
        assert (refused.json()["errors"][0]["line"], refused.json()["errors"][0]["column"] > 1) == (1, True)

        created = await client.post(_BASE, json={"name": "cards", "source": _CARDS, "activate": True})
        assert created.status_code == 201, created.text
        script = created.json()["id"]
        combining = {"source": _CARDS, "shape": {"mode": "chunk", "size": 100, "combine": True}}
        lacking = await client.post(f"{_BASE}/{script}/versions", json=combining)
        assert lacking.status_code == 422, lacking.text
        combining["source"] = _CARDS + "function combine(partials) { return partials.flat(); }\n"
        pushed = await client.post(f"{_BASE}/{script}/versions", json=combining)
        assert pushed.status_code == 201, pushed.text
        thrown = await client.post(f"{_BASE}/{script}/versions/1.0.1/test", json={"data": [None]})
        assert thrown.json()["failure"]["class"] == "ScriptRuntimeError", thrown.text
        assert (await client.patch(f"{_BASE}/{script}/versions/1.0.1/activate")).status_code == 200
        back = await client.post(f"{_BASE}/{script}/rollback")
        assert (back.status_code, back.json()["semver"]) == (200, "1.0.0")


@pytest.mark.asyncio
@pytest.mark.real_data
async def test_the_six_records_of_the_source_give_their_three_groups(
    database_url: str, tmp_path: Path, shared_data: Path
) -> None:
    records = json.loads((shared_data / "bacen_seed_six_records.json").read_text(encoding="utf-8"))
    async with service_client(database_url, tmp_path, local=True, sandbox_min_level="process") as client:
        await client.post("/api/v1/projects", json={"slug": "default", "name": "Default"})
        tested = await client.post(f"{_BASE}/test", json={"source": _CARDS, "data": records})
        assert len(tested.json()["output"]) == 3
