"""Bodies under all names that the source documents and their other solutions give the fields (A04)."""

import json
from uuid import UUID

import pytest

from quilate.kit.web.problems import Problem
from quilate.scripts.compatibility.bodies import execution_body, script_body, version_body

SCRIPT = UUID("0191d5b2-0000-7000-8000-000000000001")


@pytest.mark.parametrize(
    "sent",
    [
        {"name": "n", "content": "c", "description": "d"},
        {"name": "n", "code": "c", "description": "d"},
        {"nome": "n", "codigo": "c", "descricao": "d"},
        {"Name": "n", "scriptContent": "c", "Description": "d"},
        {"name": "n", "nome": "n", "content": "c", "code": "c", "description": "d", "unknown": [1]},
    ],
)
def test_a_script_is_the_same_under_every_name(sent: dict[str, object]) -> None:
    found = script_body(json.dumps(sent).encode())
    assert (found.name, found.content, found.description) == ("n", "c", "d")


@pytest.mark.parametrize("name", ["data", "inputData", "dadosEntrada", "input", "Data"])
def test_data_is_the_same_under_every_name_and_comes_as_the_bytes_that_were_sent(name: str) -> None:
    body = f'{{"scriptId": "{SCRIPT}", "{name}": [ 1.0,  12345678901234567890 ]}}'.encode()
    assert execution_body(body, None) == (SCRIPT, None, b"[ 1.0,  12345678901234567890 ]")


def test_null_is_data_and_the_address_may_name_the_script() -> None:
    assert execution_body(b'{"inputData": null}', SCRIPT) == (SCRIPT, None, b"null")


def test_a_version_comes_with_its_schema() -> None:
    found = version_body(b'{"code": "c", "version": "2.0.0", "inputSchema": {"type": "array"}}')
    assert (found.content, found.semver, found.input_schema) == ("c", "2.0.0", {"type": "array"})


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b"[]", 400, "no JSON object"),
        (b"{", 400, "no JSON object"),
        (b'{"scriptId": "x", "data": 1}', 422, "no UUID"),
        (b'{"scriptId": 7, "data": 1}', 422, "no text"),
        (b'{"data": 1}', 422, "'scriptId' is missing"),
        (f'{{"scriptId": "{SCRIPT}"}}'.encode(), 422, "'data' is missing"),
        (b'{"data": 1, "inputData": 2}', 422, "two values"),
    ],
)
def test_a_body_that_cannot_be_taken_is_told_why(body: bytes, status: int, says: str) -> None:
    with pytest.raises(Problem, match=says) as caught:
        execution_body(body, None)
    assert caught.value.status == status
    assert caught.value.next_step


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(Problem, match="at most 255"):
        script_body(json.dumps({"name": "n" * 256, "content": "c"}).encode())


@pytest.mark.parametrize("name", ["", "   ", "\t"])
def test_a_name_of_nothing_is_refused_before_anything_is_changed(name: str) -> None:
    with pytest.raises(Problem, match="'name' is missing") as caught:
        script_body(json.dumps({"name": name, "content": "c"}).encode())
    assert caught.value.status == 422
    assert script_body(b'{"name": null, "content": "c"}').name is None


@pytest.mark.parametrize("schema", ["1e999", "9" * 5000, '{"maxLength": 1e400}'])
def test_a_schema_with_a_number_that_nothing_holds_is_refused(schema: str) -> None:
    with pytest.raises(Problem, match="'inputSchema'") as caught:
        version_body(f'{{"code": "c", "inputSchema": {schema}}}'.encode())
    assert caught.value.status == 422
