"""The JSON Schema (2020-12) of a decision, made from its types; a copy is committed beside this file."""

from pathlib import Path
from typing import Any

import msgspec

from quilate.policy.decision import DECISION_FORMAT
from quilate.policy.model import Decision

SCHEMA_FILE = Path(__file__).with_name("decision.schema.json")
"""The committed copy, which the package ships; a test compares it with ``decision_schema``."""

SCHEMA_ID = "urn:quilate:schema:decision:v1"


def decision_schema() -> dict[str, Any]:
    """Return the schema. Every member is required and no other is allowed, as ``decision_bytes`` writes them."""
    (root,), components = msgspec.json.schema_components([Decision], ref_template="#/$defs/{name}")
    decision = components.pop(root["$ref"].rpartition("/")[2])
    decision["properties"]["format"] = {"const": DECISION_FORMAT}
    for part in (decision, *components.values()):
        if "properties" in part:
            part["additionalProperties"] = False
            part["required"] = sorted(part["properties"])
            for member in part["properties"].values():
                member.pop("default", None)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": SCHEMA_ID,
        **decision,
        "$defs": dict(sorted(components.items())),
    }
