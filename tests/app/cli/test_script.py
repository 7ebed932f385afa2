"""``quilate script`` on this machine and at a service (A01, A02, A05, A07, A09; issue 6)."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from tests.support.bacen import SCRIPT, assert_same_groups, expected_groups, generated_records
from tests.support.local_service import LocalService, local_service
from tests.support.projects import Outcome, quilate
from tests.support.source_scripts import SIX_RECORDS, THREE_GROUPS

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"

THROWS = """function process(data) {
  return data.map((record) => {
    console.log("seen", record.trimestre);
    if (record.produto === "Premium") throw new Error("no premium");
    return record;
  });
}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "cards.js").write_text(SCRIPT)
    (tmp_path / "six.json").write_text(json.dumps(SIX_RECORDS))
    return tmp_path


def run_here(place: Path, script: str, data: str, *more: str) -> Outcome:
    return quilate(place, "script", "run", script, "--data", data, *more)


def test_six_records_give_the_three_groups_with_both_engines(place: Path) -> None:
    found = run_here(place, "cards.js", "six.json")
    assert (found.code, json.loads(found.output)) == (0, THREE_GROUPS)
    assert "6 records in, 3 out" in found.errors
    strict = run_here(place, "cards.js", "six.json", "--engine", "strict")
    assert json.loads(strict.output) == THREE_GROUPS


@pytest.mark.parametrize("suffix", ["json", "ndjson", "parquet", "csv"])
def test_every_format_of_a_file_gives_the_same_groups(place: Path, suffix: str) -> None:
    records = generated_records(range(2020, 2022))
    data = place / f"data.{suffix}"
    if suffix == "json":
        data.write_text(json.dumps(records))
    elif suffix == "ndjson":
        data.write_text("\n".join(json.dumps(record) for record in records))
    elif suffix == "parquet":
        pq.write_table(pa.Table.from_pylist(records), data)
    else:
        pyarrow.csv.write_csv(pa.Table.from_pylist(records), data)
    found = run_here(place, "cards.js", data.name, "--output", "out.parquet")
    assert found.code == 0, found.errors
    groups = pq.read_table(place / "out.parquet").to_pylist()
    # A CSV has no types: a quarter is read as a number.
    assert_same_groups([group | {"trimestre": str(group["trimestre"])} for group in groups], expected_groups(records))


def test_a_script_that_is_refused_names_rule_line_column_and_what_to_write(place: Path) -> None:
    (place / "bad.js").write_text("function process(data) {\n  return eval('1');\n}\n")
    found = run_here(place, "bad.js", "six.json")
    assert found.code == 2
    assert "bad.js:2:10: JS101" in found.errors
    assert "JSON.parse" in found.errors


def test_a_throw_names_line_and_record_and_the_console_is_shown(place: Path) -> None:
    (place / "throws.js").write_text(THROWS)
    found = run_here(place, "throws.js", "six.json")
    assert (found.code, found.output) == (1, "")
    assert "ScriptRuntimeError: Error: no premium (line 4" in found.errors
    assert "record 5" in found.errors
    assert found.errors.count("seen") == 6


def test_a_failed_chunk_is_named_and_the_others_are_kept(place: Path) -> None:
    (place / "throws.js").write_text(THROWS)
    found = run_here(place, "throws.js", "six.json", "--mode", "chunk", "--size", "2", "--output", "out.json")
    assert found.code == 1
    assert "chunk 2 from record 4: ScriptRuntimeError" in found.errors
    assert json.loads((place / "out.json").read_text()) == SIX_RECORDS[:4]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.js", "--data", "six.json"), "there is no file 'missing.js'"),
        (("cards.js", "--data", "six.txt"), "does not say how it is written"),
        (("cards.js", "--data", "six.json", "--key", "produto"), "belong together"),
        (("cards.js", "--data", "six.json", "--output-dataset", "totals"), "are for a service"),
        (
            (
                "cards",
                "--data",
                "six.json",
                "--server",
                "http://127.0.0.1:9",
                "--mode",
                "chunk",
                "--wall-seconds",
                "60",
            ),
            "--mode, --wall-seconds: a service takes these from the version that it runs",
        ),
    ],
)
def test_wrong_options_say_what_to_do(place: Path, arguments: tuple[str, ...], says: str) -> None:
    (place / "six.txt").write_text("[]")
    found = quilate(place, "script", "run", *arguments)
    assert found.code == 2
    assert says in found.errors


def test_a_file_runs_here_although_the_environment_names_a_service(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUILATE_SERVER", "http://127.0.0.1:9")
    found = run_here(place, "cards.js", "six.json")
    assert (found.code, json.loads(found.output)) == (0, THREE_GROUPS)
    meant_there = run_here(place, "cards.js", "six.json", "--version", "1.0.0")
    assert meant_there.code != 0, "a version is one of the service"


@pytest.fixture(scope="module")
def service() -> Iterator[LocalService]:
    with local_service() as opened:
        yield opened


@pytest.mark.slow
def test_a_script_is_pushed_run_rolled_back_and_its_console_read(place: Path, service: LocalService) -> None:
    at = ("--server", service.url)
    pushed = quilate(place, "script", "push", "cards.js", *at)
    assert pushed.code == 0, pushed.errors
    assert pushed.output.startswith("cards 1.0.0  active  sha256:")
    ran = quilate(place, "script", "run", "cards", "--data", "six.json", "--output", "out.json", *at)
    assert ran.code == 0, ran.errors
    assert json.loads((place / "out.json").read_text()) == THREE_GROUPS

    (place / "cards.js").write_text(THROWS)
    again = quilate(place, "script", "push", "cards.js", "--semver", "1.1.0", *at)
    assert again.output.startswith("cards 1.1.0  active"), again.errors
    failed = quilate(place, "script", "run", "cards", "--data", "six.json", *at)
    assert failed.code == 1
    assert "ScriptRuntimeError" in failed.output
    execution = next(line for line in failed.lines if "  failed" in line).split()[0]
    logs = quilate(place, "script", "logs", execution, *at)
    assert (logs.code, logs.output.count("seen")) == (1, 6)

    back = quilate(place, "script", "rollback", "cards", *at)
    assert back.output.startswith("cards 1.0.0  active"), back.errors
    listed = quilate(place, "script", "list", *at)
    assert listed.output.split()[:2] == ["cards", "1.0.0"]
    versions = quilate(place, "script", "list", "cards", *at)
    assert [line.split()[0] for line in versions.lines] == ["1.1.0", "1.0.0"]

    (place / "count.js").write_text("function process(data) { return data.length; }")
    assert quilate(place, "script", "push", "count.js", *at).code == 0
    composed = quilate(place, "script", "compose", "counted", "cards@1.0.0", "count", *at)
    assert composed.output.startswith("counted 1.0.0  active"), composed.errors
    counted = quilate(place, "script", "run", "counted", "--data", "six.json", "--output", "count.json", *at)
    assert (counted.code, (place / "count.json").read_text()) == (0, "3"), counted.errors

    unknown = quilate(place, "script", "rollback", "nothing", *at)
    assert unknown.code == 2
    assert "there is no script 'nothing'" in unknown.errors


@pytest.mark.slow
def test_what_was_erased_is_shown_with_its_erasure(place: Path, service: LocalService) -> None:
    at = ("--server", service.url)
    subject = {"type": "array", "items": {"properties": {"cpf": {"type": "string", "x-subject": True}}}}
    (place / "people.json").write_text(json.dumps(subject))
    (place / "people.js").write_text("function process(data) { console.log('seen'); return data.length; }")
    (place / "data.json").write_text('[{"cpf": "ana-7391"}]')
    assert quilate(place, "script", "push", "people.js", "--input-schema", "people.json", *at).code == 0
    ran = quilate(place, "script", "run", "people", "--data", "data.json", "--output", "out.json", *at)
    execution = next(line for line in ran.lines if "  completed" in line).split()[0]
    wish = {"subject": "ana-7391", "reason": "request 17"}
    erased = httpx.post(f"{service.url}/api/v1/projects/default/script-erasures", json=wish).json()
    logs = quilate(place, "script", "logs", execution, *at)
    assert (logs.code, "seen" in logs.output) == (0, False)
    assert f"its input, output and console were erased: {erased['id']}" in logs.output


@pytest.mark.slow
def test_a_result_is_sent_on_into_a_dataset(place: Path, service: LocalService) -> None:
    at = ("--server", service.url)
    assert quilate(place, "script", "push", "cards.js", "--name", "sent", *at).code == 0
    datasets = f"{service.url}/api/v1/projects/default/datasets"
    assert httpx.post(datasets, json={"name": "groups"}).status_code == 201
    wishes = ("--output-dataset", "groups", "--output-gate", "--output-blueprint", "ds-batch")
    ran = quilate(place, "script", "run", "sent", "--data", "six.json", "--output", "out.ndjson", *wishes, *at)
    assert ran.code == 0, ran.errors
    assert "export completed  groups@1  run " in ran.output
    version = httpx.get(f"{datasets}/groups/versions/1").json()
    assert (version["rows"], len(version["columns"])) == (3, len(THREE_GROUPS[0]))
    with pa.ipc.new_file(str(place / "six.arrow"), (table := pa.Table.from_pylist(SIX_RECORDS)).schema) as writer:
        writer.write_table(table)
    columns = quilate(place, "script", "run", "sent", "--data", "six.arrow", "--output", "out.arrow", *at)
    assert columns.code == 0, columns.errors
    with pa.ipc.open_file(str(place / "out.arrow")) as reader:
        assert reader.read_all().to_pylist() == THREE_GROUPS, "an Arrow file goes in, and one comes out, as here"

    refused = quilate(place, "script", "run", "sent", "--data", "six.json", "--output-dataset", "none", *at)
    assert (refused.code, "dataset" in refused.errors) == (2, True), refused.errors


@pytest.mark.slow
@pytest.mark.real_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="the real data is not here")
@pytest.mark.parametrize("suffix", ["json", "ndjson", "parquet"])
def test_the_real_records_give_the_expected_groups_at_a_service(
    place: Path, service: LocalService, suffix: str
) -> None:
    records = json.loads((SHARED / "bacen_cartoes_trimestral.json").read_text())
    expected = json.loads((SHARED / "bacen_expected_empresarial.json").read_text())
    data = place / f"data.{suffix}"
    if suffix == "json":
        data.write_text(json.dumps(records))
    elif suffix == "ndjson":
        data.write_text("\n".join(json.dumps(record) for record in records))
    else:
        pq.write_table(pa.Table.from_pylist(records), data)
    at = ("--server", service.url)
    assert quilate(place, "script", "push", "cards.js", "--name", f"bacen-{suffix}", *at).code == 0
    ran = quilate(place, "script", "run", f"bacen-{suffix}", "--data", data.name, "--output", "out.json", *at)
    assert ran.code == 0, ran.errors
    groups = json.loads((place / "out.json").read_text())
    assert len(groups) == 252
    assert_same_groups(groups, expected)
    assert httpx.get(f"{service.url}/jobs").status_code == 200
