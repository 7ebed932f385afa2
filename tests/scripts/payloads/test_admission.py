"""Inputs against their schemas: violations with path and record, long integers (A10)."""

import datetime as dt
import io
import json
from decimal import Decimal

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.errors import broken
from tests.support.payloads import PayloadSite, admitted, arrow, kept, lines, parquet, records, schema

NUMBERS = records({"value": {"type": "integer"}, "name": {"type": "string"}}, required=["value"])


@pytest.mark.asyncio
async def test_without_a_schema_nothing_is_looked_at(site: PayloadSite) -> None:
    payload = await kept(site, b"no JSON at all")
    assert (await site.admission.admit(site.project, None, payload)).payload is payload


@pytest.mark.asyncio
async def test_what_fits_its_schema_is_passed_on_byte_for_byte(site: PayloadSite) -> None:
    data = b' [ {"value" : 1.0e0, "value": 2}, {"value":3} ] '
    found = await admitted(site, NUMBERS, data)
    assert (found.violations, found.payload.inline, found.records) == ((), data, 2)


@pytest.mark.asyncio
@pytest.mark.parametrize("format_", [FileFormat.JSON, FileFormat.NDJSON])
async def test_violations_have_path_and_record_and_no_values(site: PayloadSite, format_: FileFormat) -> None:
    data = [{"value": 1}, {"value": "secret-7391"}, {"name": 5, "value": 2}]
    content = lines(*data) if format_ is FileFormat.NDJSON else json.dumps(data).encode()
    found = await admitted(site, NUMBERS, content, format_)
    assert [(each.path, each.record, each.rule) for each in found.violations] == [
        ("/1/value", 1, "type"),
        ("/2/name", 2, "type"),
    ]
    assert "7391" not in repr(found)
    if format_ is FileFormat.NDJSON:
        assert [each.line for each in found.violations] == [2, 3]
    problem = broken(found.violations)
    assert problem.status == 422
    assert problem.extensions["errors"][0]["pointer"] == "#/1/value"


@pytest.mark.asyncio
async def test_columns_are_checked_by_record(site: PayloadSite) -> None:
    for content, format_ in (
        (parquet(value=[1, None, 3]), FileFormat.PARQUET),
        (arrow(value=[1, None, 3]), FileFormat.ARROW),
        (b"value,name\n1,a\n2.5,b\n3,c\n", FileFormat.CSV),
    ):
        found = await admitted(site, NUMBERS, content, format_)
        assert {each.rule for each in found.violations} == {"type"}, format_
        assert 1 in {each.record for each in found.violations}


@pytest.mark.asyncio
async def test_at_most_a_hundred_violations_are_told(site: PayloadSite) -> None:
    data = [{"value": "no"}] * 5000
    for content, format_ in ((json.dumps(data).encode(), FileFormat.JSON), (lines(*data), FileFormat.NDJSON)):
        found = await admitted(site, NUMBERS, content, format_)
        assert (len(found.violations), found.truncated) == (100, True)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        (b"[\n1,\n  2,}\n]", 3, 5),
        (b"[1, NaN]", 1, None),
        (b'{"a": "\xff"}', 1, 8),
        (b"\xef\xbb\xbf[,]", 1, 5),
        (b"\xef\xbb\xbf\xef\xbb\xbf[]", 1, None),
        (b"[1, 2", 1, None),
        (b"", 1, 1),
        (b'["\\ud800"]', 1, None),
        (b"[1e999]", 1, None),
        (b"[" * 200 + b"]" * 200, 1, None),
        (b"[" * 5000 + b"]" * 5000, 1, None),
    ],
)
async def test_broken_json_names_line_and_byte(
    site: PayloadSite, content: bytes, line: int, column: int | None
) -> None:
    (found,) = (await admitted(site, schema({"type": "array"}), content)).violations
    assert (found.rule, found.line) == ("json", line)
    assert column is None or found.column == column
    assert found.column is not None
    assert found.byte == len(b"".join(content.splitlines(keepends=True)[: line - 1])) + found.column - 1


@pytest.mark.asyncio
async def test_broken_ndjson_names_line_and_byte(site: PayloadSite) -> None:
    content = b'{"value": 1}\n\n{"value": }\n{"value": 2}\n'
    (found,) = (await admitted(site, NUMBERS, content, FileFormat.NDJSON)).violations
    assert (found.line, found.column, found.byte, found.record) == (3, 11, 24, 1)
    endless = await admitted(site, NUMBERS, b"[" + b"1," * 50_000, FileFormat.NDJSON)
    assert [(each.rule, each.line) for each in endless.violations] == [("json", 1)]


@pytest.mark.asyncio
async def test_a_byte_order_mark_is_skipped_at_the_beginning_alone(site: PayloadSite) -> None:
    mark = b"\xef\xbb\xbf"
    for content, format_ in (
        (mark + b'[{"value": 1}]', FileFormat.JSON),
        (mark + lines({"value": 1}), FileFormat.NDJSON),
        (mark + b"\n" + lines({"value": 1}), FileFormat.NDJSON),
    ):
        found = await admitted(site, NUMBERS, content, format_)
        assert (found.violations, found.records) == ((), 1), content
    content = mark + lines({"value": 1}) + mark + lines({"value": 2})
    (broken_,) = (await admitted(site, NUMBERS, content, FileFormat.NDJSON)).violations
    assert (broken_.line, broken_.byte) == (2, len(mark + lines({"value": 1})))
    (wrong,) = (await admitted(site, NUMBERS, mark + b'{"value": }', FileFormat.NDJSON)).violations
    assert (wrong.line, wrong.column, wrong.byte) == (1, 14, 13)


@pytest.mark.asyncio
async def test_what_is_masked_is_found_behind_a_byte_order_mark(site: PayloadSite) -> None:
    marked = records({"name": {"type": "string", "x-sensitive": True}})
    payload = await kept(site, b'\xef\xbb\xbf[{"name": "Bea Silva"}]')
    masker = await site.admission.masker(site.project, marked, payload)
    assert masker is not None
    assert masker.text("it is Bea Silva") == "it is [masked]"


BIG = 9_007_199_254_740_993


@pytest.mark.asyncio
async def test_long_integers_are_refused_with_their_path(site: PayloadSite) -> None:
    for content, format_ in (
        (json.dumps([{"value": 1}, {"value": BIG}]).encode(), FileFormat.JSON),
        (lines({"value": 1}, {"value": -BIG}), FileFormat.NDJSON),
        (parquet(value=[1, BIG]), FileFormat.PARQUET),
    ):
        (found,) = (await admitted(site, NUMBERS, content, format_)).violations
        assert (found.path, found.record, found.rule) == ("/1/value", 1, "integer")


@pytest.mark.asyncio
async def test_long_integers_become_texts_where_the_schema_reads_texts(site: PayloadSite) -> None:
    given = records({"id": {"type": "string"}, "at": {"type": "integer"}})
    json_found = await admitted(site, given, [{"id": BIG, "at": 2**53 - 1}])
    assert json.loads(await site.text(json_found.payload)) == [{"id": str(BIG), "at": 2**53 - 1}]
    found = await admitted(site, given, lines({"id": BIG, "at": 1}, {"id": "x", "at": 2}), FileFormat.NDJSON)
    assert await site.text(found.payload) == lines({"id": str(BIG), "at": 1}, {"id": "x", "at": 2}).replace(b" ", b"")
    found = await admitted(site, given, parquet(id=[1, BIG], at=[1, 2]), FileFormat.PARQUET)
    assert found.violations == ()
    assert pq.read_table(io.BytesIO(await site.text(found.payload))).column("id").to_pylist() == ["1", str(BIG)]


@pytest.mark.asyncio
async def test_digits_within_texts_are_no_integers(site: PayloadSite) -> None:
    data = b'[{"value": 1, "name": "12345678901234567890"}]'
    assert (await admitted(site, NUMBERS, data)).payload.inline == data


@pytest.mark.asyncio
async def test_schemas_that_are_more_than_their_records_see_the_whole(site: PayloadSite) -> None:
    given = schema({"type": "array", "items": {"type": "integer"}, "uniqueItems": True})
    found = await admitted(site, given, lines(1, 2, 1), FileFormat.NDJSON)
    assert [each.rule for each in found.violations] == ["uniqueItems"]
    assert (await admitted(site, given, lines(1, 2), FileFormat.NDJSON)).violations == ()
    with pytest.raises(Problem) as caught:
        await admitted(site, given, lines(*range(400_000)), FileFormat.NDJSON)
    assert caught.value.status == 413


@pytest.mark.asyncio
async def test_the_number_of_records_counts_for_lines_too(site: PayloadSite) -> None:
    given = schema({"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 3})
    for number, rules in ((1, ["minItems"]), (2, []), (4, ["maxItems"])):
        found = await admitted(site, given, lines(*range(number)), FileFormat.NDJSON)
        assert [each.rule for each in found.violations] == rules


@pytest.mark.asyncio
async def test_what_is_no_parquet_is_refused(site: PayloadSite) -> None:
    with pytest.raises(Problem) as caught:
        await admitted(site, NUMBERS, b"PAR1 but not really PAR1", FileFormat.PARQUET)
    assert caught.value.status == 422


@pytest.mark.asyncio
async def test_long_lines_of_records_are_checked_in_bounded_memory(site: PayloadSite) -> None:
    body = [lines(*({"value": number} for number in range(start, start + 1000))) for start in range(0, 200_000, 1000)]
    payload = await site.received(body, content_type="application/x-ndjson")
    assert payload.size > site.store.limits.document_bytes
    found = await site.admission.admit(site.project, NUMBERS, payload)
    assert (found.violations, found.records, found.payload) == ((), 200_000, payload)


@pytest.mark.asyncio
async def test_outputs_are_checked_and_left_as_they_are(site: PayloadSite) -> None:
    payload = await kept(site, [{"value": "x"}])
    found = await site.admission.check_output(site.project, NUMBERS, payload)
    assert [each.path for each in found.violations] == ["/0/value"]
    assert found.payload is payload


@pytest.mark.asyncio
@pytest.mark.parametrize("whole", [{}, {"uniqueItems": True}])
async def test_a_null_in_an_output_s_columns_may_be_a_property_that_a_record_has_not(
    site: PayloadSite, whole: dict[str, bool]
) -> None:
    inner = {"type": "object", "properties": {"z/y": {"type": "boolean"}}, "required": ["x"]}
    fields = {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": ["null", "integer"]}, "o": inner}
    items = {"type": "object", "properties": fields, "required": ["a", "c"]}
    given = schema({"type": "array", "items": items} | whole)
    fine = arrow(a=[1, 2], b=["x", None], c=[None, 3], o=[{"x": 1, "z/y": None}, {"x": 2, "z/y": True}])
    payload = await site.store.keep_bytes(fine, FileFormat.ARROW)
    assert (await site.admission.check_output(site.project, given, payload)).violations == ()
    assert {each.path for each in (await admitted(site, given, fine, FileFormat.ARROW)).violations} >= {"/1/b"}
    broken_one = arrow(a=[1, None], c=[None, 3], b=[None, "x"])
    payload = await site.store.keep_bytes(broken_one, FileFormat.ARROW)
    found = (await site.admission.check_output(site.project, given, payload)).violations
    assert [(each.path, each.rule) for each in found] == [("/1", "required")]


@pytest.mark.asyncio
async def test_columns_are_checked_as_the_script_gets_them(site: PayloadSite) -> None:
    given = records(
        {
            "code": {"type": "string", "pattern": "^00"},
            "at": {"type": "string", "format": "date-time"},
            "price": {"type": "string", "pattern": r"^\d+\.\d\d$"},
            "share": {"type": ["number", "null"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        }
    )
    moment = dt.datetime(2026, 11, 21, 12, 30, tzinfo=dt.UTC)
    content = parquet(
        code=["007", "008"],
        at=[moment, moment],
        price=[Decimal("1.50"), Decimal("2.25")],
        share=[float("nan"), 0.5],
        tags=[["a"], []],
    )
    found = await admitted(site, given, content, FileFormat.PARQUET)
    assert (found.violations, found.payload.inline) == ((), content)
    text = b"code,at,price\n007,2026-11-21T12:30:00Z,1.50\n"
    assert (await admitted(site, given, text, FileFormat.CSV)).violations == ()


@pytest.mark.asyncio
async def test_csv_that_would_be_changed_in_silence_is_refused(site: PayloadSite) -> None:
    given = schema({"type": "array", "items": {"type": "object"}})
    for text in ("nome,valor\nJoão,1\n", "nome,operação\nx,1\n"):
        with pytest.raises(Problem, match="no UTF-8"):
            await admitted(site, given, text.encode("latin-1"), FileFormat.CSV)
    with pytest.raises(Problem) as caught:
        await admitted(site, given, b"chave\n35240112345678000199550010000012341000012345\n", FileFormat.CSV)
    assert caught.value.type == "input-invalid"
    assert caught.value.extensions["errors"][0]["pointer"] == "#/0/chave"


@pytest.mark.asyncio
async def test_a_broken_line_is_named_where_the_array_is_checked_as_a_whole(site: PayloadSite) -> None:
    given = schema({"type": "array", "uniqueItems": True})
    content = b"1\n{\n2\n"
    (found,) = (await admitted(site, given, content, FileFormat.NDJSON)).violations
    assert (found.rule, found.line, found.record) == ("json", 2, 1)
    (long,) = (await admitted(site, given, b"1\n" + b"2" * 100_000, FileFormat.NDJSON)).violations
    assert (long.rule, long.line) == ("json", 2)
