"""Sensitive fields: tokens, sealing, masks, previews (A18)."""

import io
import json
from typing import Any

import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from quilate.domain.errors import ConfigurationError
from quilate.kit.web.problems import Problem
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.input_schema import output_protection, protection_of
from tests.support.payloads import PayloadSite, admitted, kept, lines, parquet, records, schema

NUMBERS = records({"value": {"type": "integer"}})
PEOPLE = records(
    {
        "cpf": {"type": "string", "x-tokenise": "cpf", "x-subject": True},
        "email": {"type": ["string", "null"], "x-sensitive": True},
        "card": {"type": "string", "x-tokenise": True},
        "total": {"type": "number"},
    }
)
PERSON = {"cpf": "111.444.777-35", "email": "ana@example.org", "card": "4111", "total": 1.5}


@pytest.mark.asyncio
@pytest.mark.parametrize("format_", [FileFormat.JSON, FileFormat.NDJSON, FileFormat.PARQUET, FileFormat.CSV])
async def test_scripts_see_tokens_that_join(site: PayloadSite, format_: FileFormat) -> None:
    other = {**PERSON, "card": "5500", "total": 2.5}
    content = {
        FileFormat.JSON: json.dumps([PERSON, other]).encode(),
        FileFormat.NDJSON: lines(PERSON, other),
        FileFormat.PARQUET: parquet(**{name: [PERSON[name], other[name]] for name in PERSON}),
        FileFormat.CSV: b"cpf,email,card,total\n111.444.777-35,ana@example.org,4111,1.5\n"
        b"111.444.777-35,ana@example.org,5500,2.5\n",
    }[format_]
    found = await admitted(site, PEOPLE, content, format_)
    assert found.violations == ()
    assert found.payload.sealed
    assert found.payload.inline is not None
    assert b"111.444" not in found.payload.inline
    text = await site.text(found.payload)
    if format_ is FileFormat.PARQUET:
        seen = pq.read_table(io.BytesIO(text)).to_pylist()
    elif format_ is FileFormat.CSV:
        head, *rows = [row.replace('"', "").split(",") for row in text.decode().split()]
        seen = [dict(zip(head, row, strict=True)) for row in rows]
    elif format_ is FileFormat.NDJSON:
        seen = [json.loads(line) for line in text.splitlines()]
    else:
        seen = json.loads(text)
    first, second = seen
    assert first["cpf"] == second["cpf"] != PERSON["cpf"]
    assert first["cpf"].startswith("tok_cpf_")
    assert first["card"] != second["card"]
    assert float(first["total"]) == 1.5
    assert first["email"] == PERSON["email"], "sensitive, not tokenised: the script may see it"
    assert len(found.subjects) == 1


@pytest.mark.asyncio
async def test_long_inputs_are_rewritten_and_sealed_as_well(site: PayloadSite) -> None:
    people = [{**PERSON, "cpf": f"person-{number % 5000}", "card": str(number)} for number in range(20_000)]
    body = [lines(*people[start : start + 1000]) for start in range(0, 20_000, 1000)]
    payload = await site.received(body, seal=True, content_type="application/x-ndjson")
    found = await site.admission.admit(site.project, PEOPLE, payload)
    assert len(found.subjects) == 5000
    assert found.payload.sealed
    text = await site.text(found.payload)
    assert text.count(b"\n") == 20_000
    assert b"person-" not in text
    assert all(b"person-" not in file.read_bytes() for file in site.files())


@pytest.mark.asyncio
async def test_a_plain_payload_is_sealed_where_its_schema_asks_for_it(site: PayloadSite) -> None:
    given = records({"email": {"x-sensitive": True}})
    found = await admitted(site, given, [{"email": "ana@example.org"}])
    assert found.payload.sealed
    assert json.loads(await site.text(found.payload)) == [{"email": "ana@example.org"}]


@pytest.mark.asyncio
async def test_tokens_within_nested_columns_are_refused(site: PayloadSite) -> None:
    given = records({"who": {"type": "object", "properties": {"cpf": {"x-tokenise": True}}}})
    with pytest.raises(Problem) as caught:
        await admitted(site, given, parquet(who=[{"cpf": "1"}]), FileFormat.PARQUET)
    assert "nested" in caught.value.detail
    found = await admitted(site, given, [{"who": {"cpf": "1"}}])
    assert json.loads(await site.text(found.payload))[0]["who"]["cpf"].startswith("tok_")


@pytest.mark.asyncio
async def test_marks_hold_through_references_and_alternatives(site: PayloadSite) -> None:
    given = schema(
        {
            "type": "object",
            "properties": {"people": {"type": "array", "items": {"$ref": "#/$defs/person"}}},
            "patternProperties": {"^secret_": {"x-sensitive": True}},
            "additionalProperties": {"anyOf": [{"type": "number"}, {"type": "string", "x-sensitive": True}]},
            "$defs": {
                "person": {
                    "type": "object",
                    "properties": {"name": {"x-sensitive": True}, "boss": {"$ref": "#/$defs/person"}},
                }
            },
        }
    )
    data = {
        "people": [{"name": "Ana", "boss": {"name": "Bia", "boss": None, "age": 50}}],
        "secret_code": 7,
        "note": "hello",
    }
    preview = await site.admission.preview(site.project, given, await kept(site, data))
    mask = "[masked]"
    assert preview is not None
    assert json.loads(preview) == {
        "people": [{"name": mask, "boss": {"name": mask, "boss": None, "age": 50}}],
        "secret_code": mask,
        "note": mask,
    }


@pytest.mark.asyncio
async def test_previews_show_the_first_records_masked(site: PayloadSite) -> None:
    people = [PERSON] * 50
    for content, format_ in (
        (json.dumps(people).encode(), FileFormat.JSON),
        (lines(*people), FileFormat.NDJSON),
        (parquet(**{name: [PERSON[name]] * 50 for name in PERSON}), FileFormat.PARQUET),
    ):
        preview = await site.admission.preview(site.project, PEOPLE, await kept(site, content, format_), records=3)
        assert preview is not None
        shown = json.loads(preview)
        assert len(shown) == 3
        assert shown[0] == {"cpf": "[masked]", "email": "[masked]", "card": "[masked]", "total": 1.5}


@pytest.mark.asyncio
async def test_what_a_script_writes_loses_sensitive_values(site: PayloadSite) -> None:
    given = records({"name": {"x-sensitive": True}, "code": {"x-sensitive": True}, "total": {}})
    payload = await kept(site, [{"name": 'Ana "Lu" Souza', "code": 42, "total": 4242}])
    masker = await site.admission.masker(site.project, given, payload)
    assert masker is not None
    assert masker.text('bad row: Ana "Lu" Souza, code 42, total 4242') == "bad row: [masked], code [masked], total 4242"
    assert masker.text(json.dumps({"name": 'Ana "Lu" Souza'})) == '{"name": "[masked]"}'
    assert masker.lines(("mail to someone@example.org",)) == ("mail to [masked]",)
    assert await site.admission.masker(site.project, NUMBERS, payload) is None


@pytest.mark.asyncio
async def test_where_there_are_too_many_sensitive_values_nothing_is_shown(site: PayloadSite) -> None:
    given = records({"name": {"x-sensitive": True}})
    body = lines(*({"name": f"person {number}"} for number in range(30_000)))
    payload = await kept(site, body, FileFormat.NDJSON)
    masker = await site.admission.masker(site.project, given, payload)
    assert masker is not None
    assert masker.lines(("person 7", "person 8")) == (masker.text("x"),)
    assert "person" not in masker.text("person 7")


def test_outputs_are_kept_like_inputs_unless_their_schema_says_otherwise() -> None:
    assert output_protection(PEOPLE, None).sealed
    assert not output_protection(PEOPLE, NUMBERS).sealed
    assert output_protection(None, PEOPLE).sealed
    assert not output_protection(None, None).sealed
    assert not protection_of(None).sealed


@pytest.mark.parametrize("mark", [{"x-sensitive": "yes"}, {"x-tokenise": "Bad Name"}, {"x-subject": 1}])
def test_marks_that_mean_nothing_are_refused(mark: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        protection_of(records({"a": mark}))
