"""The lines of README.md about the service work in their order as they are written (D-guide)."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.app.service.schema import service_migrations
from tests.support.bacen import SCRIPT, generated_records
from tests.support.local_service import LocalService, local_service
from tests.support.projects import lint_project, quilate

ROOT = Path(__file__).resolve().parents[2]
START = "quilate up --local"


def commands() -> list[list[str]]:
    """Return every command of the section, without its comment, as a shell takes it apart."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("## As a service")[2].partition("## ")[0]
    lines = re.findall(r"^\$ ((?:.*\\\n)*.*)$", section, re.MULTILINE)
    return [shlex.split(line.replace("\\\n", " "), comments=True) for line in lines]


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with local_service() as opened:
        yield opened


def submit(words: list[str], url: str) -> httpx.Response:
    """Send what the line with ``curl`` sends."""
    method, header, body = (words[words.index(option) + 1] for option in ("-X", "-H", "-d"))
    name, _, value = header.partition(": ")
    path = next(word for word in words if word.startswith("localhost:8080")).removeprefix("localhost:8080")
    return httpx.request(method, url + path, headers={name: value}, content=body)


@pytest.mark.slow
def test_the_lines_of_the_readme_work_in_their_order(service: LocalService, tmp_path: Path) -> None:
    project = lint_project(tmp_path / "project", "x = 1\n")
    (project / "cards.js").write_text(SCRIPT, encoding="utf-8")
    pq.write_table(pa.Table.from_pylist(generated_records(range(2020, 2022))), project / "records.parquet")
    lines = commands()

    assert " ".join(lines[0]) == START
    for words in lines[1:]:
        if words[0] == "curl":
            answer = submit(words, service.url)
            assert answer.json()["status"] == "QUEUED", answer.text
            assert re.fullmatch(r"prun-[0-9a-f]{32}", answer.json()["pipeline_run_id"])
            continue
        assert words[0] == "quilate"
        if words[1:] == ["script", "selftest"]:
            continue  # It has tests of its own, and takes a while.
        done = quilate(project, *(word.replace("http://localhost:8080", service.url) for word in words[1:]))
        assert done.code == 0, (words, done.output, done.errors)
    data = quilate(project, "script", "run", "cards", "--data", "records.parquet", "--server", service.url)
    assert data.code == 0, data.errors
    assert "nomeBandeira" in data.output


def test_the_figures_of_the_schema_are_those_of_the_program() -> None:
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    newest = len(service_migrations())
    assert f"schema version {newest}, {newest} migrations applied" in page
    assert set(re.findall(r"quilate-schema-(\d{4})-", page)) == {f"{newest:04d}"}
