"""Extract JSON Schemas of the aspects that the DataHub connector writes from DataHub's published metadata model.

The model lies as Avro in the package ``acryl-datahub`` (Apache-2.0); kept are the members that
the connector may write, without prose, so that tests need no network.

    pip download --no-deps acryl-datahub && unzip acryl_datahub-*.whl -d client
    scripts/extract_datahub_schemas.py client
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parents[1] / "tests" / "support" / "schemas" / "datahub.json"
_ASPECTS: Mapping[str, frozenset[str]] = {
    "AssertionInfo": frozenset(
        {"customProperties", "externalUrl", "type", "customAssertion", "source", "description", "entityUrn"}
    ),
    "AssertionRunEvent": frozenset(),
    "DataPlatformInstance": frozenset(),
}
"""Each aspect with the members of it that are kept; all where none is named."""

_PLAIN = {
    **{name: name for name in ("string", "boolean", "null")},
    **dict.fromkeys(("int", "long"), "integer"),
    **dict.fromkeys(("float", "double"), "number"),
}


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("client", type=Path, help="The package, unpacked")
    client: Path = parser.parse_args().client
    aspects = {}
    for name, members in _ASPECTS.items():
        record = json.loads((client / "datahub" / "metadata" / "schemas" / f"{name}.avsc").read_bytes())
        kept = [field for field in record["fields"] if not members or field["name"] in members]
        known: dict[str, Any] = {}
        _learn(record, known)
        aspects[record["Aspect"]["name"]] = _schema({**record, "fields": kept}, known)
    version = next(client.glob("acryl_datahub-*.dist-info")).name.removesuffix(".dist-info").partition("-")[2]
    extracted = {"source": "PyPI acryl-datahub", "version": version, "license": "Apache-2.0", "aspects": aspects}
    TARGET.write_text(json.dumps(extracted, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _learn(given: Any, known: dict[str, Any]) -> None:
    """Keep every named type: Avro defines one where it is first used."""
    if isinstance(given, list):
        for each in given:
            _learn(each, known)
    elif isinstance(given, dict):
        if given.get("type") in ("record", "enum"):
            known[given["name"]] = given
        for each in given.values():
            _learn(each, known)


def _schema(given: Any, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the JSON Schema of an Avro type as DataHub's JSON has it: unions without the names of their types."""
    schema: dict[str, Any]
    match given:
        case list():
            schema = {"anyOf": [_schema(each, known) for each in given]}
        case str():
            schema = {"type": _PLAIN[given]} if given in _PLAIN else _schema(known[given.rpartition(".")[2]], known)
        case {"type": "record", "fields": fields}:
            schema = _object(fields, known)
        case {"type": "enum", "symbols": symbols}:
            schema = {"enum": symbols}
        case {"type": "array", "items": items}:
            schema = {"type": "array", "items": _schema(items, known)}
        case {"type": "map", "values": values}:
            schema = {"type": "object", "additionalProperties": _schema(values, known)}
        case _:
            schema = _schema(given["type"], known)
    return schema


def _object(fields: list[dict[str, Any]], known: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {field["name"]: _schema(field["type"], known) for field in fields},
        "required": [field["name"] for field in fields if "default" not in field],
        "additionalProperties": False,
    }


if __name__ == "__main__":
    main()
