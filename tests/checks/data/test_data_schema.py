"""DATA_SCHEMA (C14): each violation names record, line, column and value; broken input is an error, never a pass."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from quilate.checks.data.data_schema import DataSchema
from quilate.domain.errors import EvidenceError
from quilate.evidence.model import Evidence
from tests.support.check_runner import run_check

HEAD = "apiVersion: v3.1.0\nkind: DataContract\nid: test\nversion: 1.0.0\nschema:\n  - name: data\n    properties:\n"


def contract(*properties: str, quality: str = "") -> str:
    lines = "".join(f"      - {{{entry}}}\n" for entry in properties)
    return HEAD + lines + (f"    quality:\n      - {{{quality}}}\n" if quality else "")


def judged(
    directory: Path,
    data: str | bytes,
    text: str,
    *,
    name: str = "data.csv",
    parameters: Mapping[str, Any] | None = None,
    **binding: Any,
) -> Evidence:
    content = data if isinstance(data, bytes) else data.encode()
    (directory / name).write_bytes(content)
    (directory / "contract.yaml").write_text(text, encoding="utf-8")
    full = {"dataset": name, "contract": "contract.yaml", **binding}
    return run_check("DATA_SCHEMA", directory, parameters=parameters, binding=full)


def found(evidence: Evidence) -> list[tuple[str, int | None, int | None, str | None, str]]:
    return [(f.rule, f.location.record, f.location.line, f.location.field, f.measured) for f in evidence.findings]


def fact(evidence: Evidence, name: str) -> str | bool | None:
    return next(entry.value for entry in evidence.facts if entry.name == name)


def test_the_canary_goes_red(tmp_path: Path) -> None:
    canary = DataSchema().canary(tmp_path)
    evidence = run_check("DATA_SCHEMA", tmp_path, parameters=canary.parameters, binding=canary.binding)
    assert {finding.rule for finding in evidence.findings} >= set(canary.expected_rules)


def test_a_clean_file_has_no_finding(tmp_path: Path) -> None:
    evidence = judged(tmp_path, "id,n\n1,2\n2,3\n", contract("name: id, logicalType: integer, unique: true", "name: n"))
    assert (evidence.findings, evidence.undecided) == ((), ())
    assert fact(evidence, "rows") == "2"


@pytest.mark.parametrize(
    ("demand", "bad", "good", "rule"),
    [
        ("required: true", "", "x", "QL-DAT-101"),
        ("logicalType: integer", "1.5", "+07", "QL-DAT-102"),
        ("logicalType: integer", "\u0661", "-3", "QL-DAT-102"),
        ("logicalType: integer", " 1", "1", "QL-DAT-102"),
        ("logicalType: number", "1,5", "1.5e3", "QL-DAT-102"),
        ("logicalType: boolean", "1", "TRUE", "QL-DAT-102"),
        ("logicalType: date", "2024-02-30", "2024-02-29", "QL-DAT-102"),
        ("logicalType: date", "2024-1-1", "2024-01-01", "QL-DAT-102"),
        ("logicalType: date, logicalTypeOptions: {format: dd/MM/yyyy}", "2024-01-31", "31/01/2024", "QL-DAT-102"),
        ("logicalType: timestamp", "2024-01-01", "2024-01-01T10:00:00Z", "QL-DAT-102"),
        ("logicalType: timestamp", "2024-01-01T25:00:00Z", "2024-01-01 10:00:00.5-03:00", "QL-DAT-102"),
        ("logicalType: number, logicalTypeOptions: {minimum: 0}", "-0.0001", "0.0", "QL-DAT-104"),
        ("logicalType: number, logicalTypeOptions: {exclusiveMinimum: 0}", "0.00", "1e-9", "QL-DAT-104"),
        ("logicalType: number, logicalTypeOptions: {maximum: 10}", "NaN", "10", "QL-DAT-104"),
        ("logicalType: number, logicalTypeOptions: {maximum: 10}", "1e999", "-1e999", "QL-DAT-104"),
        (
            "logicalType: integer, logicalTypeOptions: {maximum: 9007199254740992}",
            "9007199254740993",
            "9007199254740992",
            "QL-DAT-104",
        ),
        ("logicalType: integer, logicalTypeOptions: {format: u8}", "256", "255", "QL-DAT-104"),
        ("logicalType: date, logicalTypeOptions: {maximum: '2024-12-31'}", "2025-01-01", "2024-12-31", "QL-DAT-104"),
        ("logicalType: string, enum: [{value: NO}, {value: SE}]", "DK", "NO", "QL-DAT-105"),
        ("logicalType: integer, enum: [{value: 1}]", "2", "01", "QL-DAT-105"),
        ("quality: [{metric: invalidValues, mustBe: 0, arguments: {validValues: [a]}}]", "b", "a", "QL-DAT-105"),
        (r"quality: [{metric: invalidValues, mustBe: 0, arguments: {pattern: '\d+'}}]", "1a", "12", "QL-DAT-106"),
        (r"logicalType: string, logicalTypeOptions: {pattern: '\d\d'}", "٣٣", "12", "QL-DAT-106"),
        ("logicalType: string, logicalTypeOptions: {pattern: 'a|b'}", "ax", "b", "QL-DAT-106"),
        ("logicalType: string, logicalTypeOptions: {format: email}", "a@", "a@b.br", "QL-DAT-106"),
        ("logicalType: string, logicalTypeOptions: {maxLength: 3}", "ação", "éçã", "QL-DAT-107"),
        ("logicalType: string, logicalTypeOptions: {minLength: 2}", "x", "xy", "QL-DAT-107"),
    ],
)
def test_each_demand_names_the_bad_cell_and_only_that(
    tmp_path: Path, demand: str, bad: str, good: str, rule: str
) -> None:
    data = f"k;v\n1;{good}\n2;{bad}\n3;{good}\n"
    evidence = judged(tmp_path, data, contract("name: k", f"name: v, {demand}"), delimiter=";")
    (only,) = found(evidence)
    assert only[:4] == (rule, 2, 3, "v")
    assert bad in only[4] or only[4] == "(missing)"


def test_a_missing_value_breaks_only_the_demand_for_a_value(tmp_path: Path) -> None:
    demands = "logicalType: integer, logicalTypeOptions: {minimum: 0}, enum: [{value: 1}], unique: true"
    evidence = judged(tmp_path, "k,v\n1,\n2,\n3,1\n", contract("name: k", f"name: v, {demands}"))
    assert evidence.findings == ()
    assert fact(evidence, "missing_cells") == "2"


def test_a_repeated_key_names_the_record_that_had_it_first(tmp_path: Path) -> None:
    properties = (
        "name: a, primaryKey: true, primaryKeyPosition: 1",
        "name: b, logicalType: integer, primaryKey: true, primaryKeyPosition: 2",
    )
    evidence = judged(tmp_path, "a,b\nx,1\ny,1\nx,01\nx,2\nx,+1\n", contract(*properties))
    assert [f.location.record for f in evidence.findings] == [3, 5]
    assert evidence.findings[0].message == 'a, b of record 3: "x", "01" repeats the key of record 1'
    assert (fact(evidence, "duplicate_rows"), fact(evidence, "rows_in_duplicate_groups")) == ("2", "3")


def test_missing_values_are_equal_in_a_key_of_several_columns(tmp_path: Path) -> None:
    rule = "metric: duplicateValues, mustBe: 0, arguments: {properties: [a, b]}"
    evidence = judged(tmp_path, "a,b\nx,\nx,\n", contract("name: a", "name: b", quality=rule))
    assert found(evidence) == [("QL-DAT-103", 2, 3, "a, b", '"x", (missing)')]


def test_lines_are_physical_lines_where_quoted_fields_span_several(tmp_path: Path) -> None:
    data = 'id,text\r\n1,"two\r\nlines, and a ""quote"""\r\n\r\nx,plain\r\n'
    evidence = judged(tmp_path, data, contract("name: id, logicalType: integer", "name: text"))
    assert found(evidence) == [("QL-DAT-102", 2, 5, "id", '"x"')]
    assert evidence.notes == ("1 blank lines are no records",)


def test_ragged_rows_are_findings_with_their_line(tmp_path: Path) -> None:
    evidence = judged(tmp_path, "a,b\n1,2\n3\n4,5,6\n7,8\n", contract("name: a, required: true", "name: b"))
    assert [(f.rule, f.location.line, f.measured) for f in evidence.findings] == [
        ("QL-DAT-111", 3, "1 fields"),
        ("QL-DAT-111", 4, "3 fields"),
    ]
    assert (fact(evidence, "rows"), fact(evidence, "ragged_rows")) == ("4", "2")


def test_counts_stay_exact_beyond_the_examples(tmp_path: Path) -> None:
    data = "v\n" + "x\n" * 1236 + "1\n"
    evidence = judged(tmp_path, data, contract("name: v, logicalType: integer"), parameters={"max_examples": 2})
    assert len(evidence.findings) == 2
    assert evidence.findings[-1].message.endswith("; and 1,234 more")
    assert fact(evidence, "violations") == "1236"


@pytest.mark.parametrize("marker", ["classification: restricted", "tags: [PII]"])
def test_values_of_sensitive_columns_are_not_shown(tmp_path: Path, marker: str) -> None:
    evidence = judged(tmp_path, "v\nhunter2\n", contract(f"name: v, logicalType: integer, {marker}"))
    assert "hunter2" not in repr(evidence)
    assert evidence.findings[0].measured == "(value not shown)"


def test_long_values_are_cut(tmp_path: Path) -> None:
    evidence = judged(tmp_path, "v\n" + "x" * 500 + "\n", contract("name: v, logicalType: integer"))
    assert evidence.findings[0].measured == '"' + "x" * 80 + '…"'


def test_columns_missing_and_unexpected(tmp_path: Path) -> None:
    refused = "type: custom, engine: quilate, implementation: {additionalColumns: refused}"
    evidence = judged(tmp_path, "idd\n1\n", contract("name: id", quality=refused))
    assert [f.rule for f in evidence.findings] == ["QL-DAT-108", "QL-DAT-109"]
    assert "did you mean 'idd'?" in evidence.findings[0].message
    assert judged(tmp_path, "id,extra\n1,2\n", contract("name: id")).findings == ()


def test_row_count_and_tolerant_rules_are_one_finding(tmp_path: Path) -> None:
    tolerant = "name: v, quality: [{metric: nullValues, mustBeLessOrEqualTo: 25, unit: percent}]"
    rows = "metric: rowCount, mustBeBetween: [4, 10]"
    evidence = judged(tmp_path, "k,v\n1,\n2,\n3,x\n4,x\n", contract("name: k", tolerant, quality=rows))
    assert [(f.rule, f.measured) for f in evidence.findings] == [("QL-DAT-110", "4 records"), ("QL-DAT-101", "2 of 4")]
    assert evidence.findings[1].limit == "at most 25 percent missing values"
    own = "name: v, quality: [{type: custom, engine: quilate, implementation: {maxMissingRatio: 0.5}}]"
    assert judged(tmp_path, "k,v\n1,\n2,x\n", contract("name: k", own)).findings == ()


@pytest.mark.parametrize(
    "demand",
    [
        "quality: [{type: sql, query: SELECT 1, mustBe: 1}]",
        "quality: [{type: custom, engine: soda, implementation: x}]",
        "logicalType: integer, logicalTypeOptions: {multipleOf: 5}",
        "logicalType: array",
        "logicalType: string, logicalTypeOptions: {format: ipv6}",
    ],
)
def test_what_cannot_be_judged_is_undecided(tmp_path: Path, demand: str) -> None:
    evidence = judged(tmp_path, "v\n1\n", contract(f"name: v, {demand}"))
    assert evidence.findings == ()
    assert [entry.subject for entry in evidence.undecided] == ["v"]
    assert "contract.yaml:8:" in evidence.undecided[0].reason


def test_descriptive_parts_of_the_standard_are_accepted(tmp_path: Path) -> None:
    text = contract("name: v, quality: [{type: text, description: As reported.}]")
    text += "slaProperties: [{property: latency, value: 4}]\nteam: {name: data}\n"
    assert judged(tmp_path, "v\n1\n", text).undecided == ()


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (contract("name: v, requird: true"), "contract.yaml:8:19: a property has no key 'requird', did you mean"),
        (contract("name: v, logicalType: integr"), "did you mean 'integer'?"),
        (contract("name: v, logicalType: integer, logicalTypeOptions: {pattern: a}"), "of integer has no key"),
        (contract("name: v, logicalType: string, logicalTypeOptions: {pattern: '('}"), "cannot be used: unclosed"),
        (contract("name: v, logicalType: string, logicalTypeOptions: {pattern: '(?=a)'}"), "look-around"),
        (contract("name: v, quality: [{metric: rowCounts, mustBe: 1}]"), "did you mean 'rowCount'?"),
        (contract("name: v, quality: [{metric: nullValues}]"), "needs an operator"),
        (contract("name: v", "name: v"), "described more than once"),
        (contract("name: v, required: maybe"), "required must be true or false"),
        ("kind: DataContract\nkind: x\n", "contract.yaml:2:1: the key 'kind' is repeated"),
        ("a: [\n", "not YAML"),
        ("", "the contract is empty"),
        ("a: &x [*x]\n", "refers to itself"),
        ("[" * 3000, "nested too deeply"),
        (HEAD.replace("v3.1.0", "v2.2.0"), "apiVersion must be v3.x"),
    ],
)
def test_a_wrong_contract_is_an_error_with_its_place(tmp_path: Path, broken: str, message: str) -> None:
    with pytest.raises(EvidenceError) as raised:
        judged(tmp_path, "v\n1\n", broken)
    assert message in str(raised.value)
    assert raised.value.next_step


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("d.csv", b"", "d.csv is empty"),
        ("d.csv", b"v\n\xff\n", "d.csv:2: byte 1 of the line is not utf-8"),
        ("d.csv", b"v,v\n1,2\n", "names 'v' more than once"),
        ("d.csv", b'v\n1\n"open\n2\n', "d.csv:3: the record that starts here is no CSV: a quote is never closed"),
        ("d.csv", b'v\n"a"b\n', "d.csv:2"),
        ("d.csv", b"v\n" + b"x" * (17 << 20), "d.csv:2: the line is longer than 16 MiB"),
        ("d.parquet", b"PAR1 cut", "d.parquet is no whole Parquet file"),
        ("d.json", b'[{"v": 1},\n {"v": ', "d.json:2: not JSON"),
        ("d.json", b'[{"v": 1}\n', "d.json:2: the array ends or breaks off"),
        ("d.json", b'{"v": 1}', "not an array of objects"),
        ("d.ndjson", b'{"v": 1}\n{"v": }\n', "d.ndjson:2: not JSON"),
        ("d.ndjson", b'{"v": 1, "v": 2}\n', "d.ndjson:1: not JSON: an object repeats a key"),
        ("d.ndjson", b"[" * 100_000 + b"\n", "d.ndjson:1: not JSON: it is nested too deeply"),
        ("d.ndjson", b"[1]\n", "d.ndjson:1: the record is no object"),
        ("d.ndjson", b"\xff\n", "d.ndjson:1: byte 1 is not UTF-8"),
        ("d.xlsx", b"x", "format .xlsx is not read"),
    ],
)
def test_broken_data_is_an_error_with_its_place(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    with pytest.raises(EvidenceError) as raised:
        judged(tmp_path, data, contract("name: v"), name=name)
    assert message in raised.value.message
    assert raised.value.next_step


def test_a_parquet_file_cut_in_half_is_an_error(tmp_path: Path) -> None:
    whole = tmp_path / "whole.parquet"
    pl.DataFrame({"v": range(1000)}).write_parquet(whole)
    with pytest.raises(EvidenceError, match="no whole Parquet file"):
        judged(tmp_path, whole.read_bytes()[: whole.stat().st_size // 2], contract("name: v"), name="d.parquet")


def test_a_path_out_of_the_workspace_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="leads out of the workspace"):
        judged(tmp_path, "v\n", contract("name: v"), dataset="../../etc/passwd.csv")


def test_a_file_without_records_is_undecided(tmp_path: Path) -> None:
    evidence = judged(tmp_path, "v\n", contract("name: v"))
    assert [entry.subject for entry in evidence.undecided] == ["rows"]


def test_typed_formats_keep_their_types(tmp_path: Path) -> None:
    text = contract("name: n, logicalType: integer", "name: s, logicalType: string", "name: o")
    data = '{"n": 1, "s": "a"}\n\n{"n": "1", "s": "b", "o": {"deep": [1]}}\n{"n": 1.5, "s": 2}\n{"n": 2.0}\n'
    evidence = judged(tmp_path, data, text, name="d.ndjson")
    assert found(evidence) == [
        ("QL-DAT-102", 2, 3, "n", '"1"'),
        ("QL-DAT-102", 3, 4, "n", '"1.5"'),
        ("QL-DAT-102", 3, 4, "s", '"2"'),
    ]


def test_json_arrays_and_parquet_name_the_record(tmp_path: Path) -> None:
    text = contract("name: n, logicalType: number, logicalTypeOptions: {maximum: 2}, required: true")
    evidence = judged(tmp_path, '[{"n": 1},\n{"n": 3},\n{"n": null}]', text, name="d.json")
    assert [entry[:3] for entry in found(evidence)] == [("QL-DAT-101", 3, 3), ("QL-DAT-104", 2, 2)]
    pl.DataFrame({"n": [1.0, float("nan"), None]}).write_parquet(tmp_path / "x.parquet")
    content = (tmp_path / "x.parquet").read_bytes()
    evidence = judged(tmp_path, content, text, name="d.parquet")
    assert [entry[:3] for entry in found(evidence)] == [("QL-DAT-101", 3, None), ("QL-DAT-104", 2, None)]


def test_encodings_null_values_and_a_byte_order_mark(tmp_path: Path) -> None:
    text = contract("name: v, required: true")
    evidence = judged(tmp_path, "v\nção\nNA\n".encode("latin-1"), text, encoding="latin-1", null_values=("", "NA"))
    assert [entry[:2] for entry in found(evidence)] == [("QL-DAT-101", 2)]
    assert judged(tmp_path, b"\xef\xbb\xbfv\n1\n", text).findings == ()


def test_column_names_are_never_taken_for_patterns(tmp_path: Path) -> None:
    properties = ("name: '^.*$', logicalType: integer, unique: true", "name: other, primaryKey: true")
    evidence = judged(tmp_path, "^.*$,other\n1,a\n1,b\nx,b\n", contract(*properties))
    assert [entry[:4] for entry in found(evidence)] == [
        ("QL-DAT-102", 3, 4, "^.*$"),
        ("QL-DAT-103", 2, 3, "^.*$"),
        ("QL-DAT-103", 3, 4, "other"),
    ]
