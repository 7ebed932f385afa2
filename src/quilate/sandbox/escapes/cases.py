"""The escape suite as data: scripts that try to get out, to take what they should not have, or never to end.

Each file below ``cases`` is one category: a YAML list of cases. A source is text, or a list of pieces, where a piece
``{text: "(", times: 20000}`` stands for its repetition.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from quilate.domain.errors import InternalError
from quilate.sandbox.model import Engine, FailureClass
from quilate.sandbox.validation.rules import RULES

NOT_ESCAPED = "NotEscaped"
"""An answer that does not hold ``MARK``: the script ran to its end and got nowhere."""
MARK = b"ESCAPED"
"""What a case answers with where it got out."""

_ENDINGS = frozenset({*(kind.value for kind in FailureClass), NOT_ESCAPED})
_CONTAINED = frozenset(
    {
        *(FailureClass.RUNTIME, FailureClass.SYNTAX, FailureClass.RECURSION, FailureClass.MEMORY, FailureClass.RESULT),
        *(FailureClass.TIMEOUT, FailureClass.CPU, FailureClass.OUTPUT, NOT_ESCAPED),
    }
)
"""What the strict engine may answer where a case does not say: it fails in other ways, and never crashes."""
_DATA = '[{"a": 1}]'


@dataclass(frozen=True, slots=True, kw_only=True)
class EscapeCase:
    """One attempt.

    Attributes:
        name: Unique.
        category: ``codegen``, ``host``, ``cpu``, ``memory`` ...
        origin: What it is about, or where it was seen.
        source: The script.
        refused: Ids of the rules that refuse it, in order; none where the analysis cannot see it.
        runtime: How it may end without the validator: failure classes, or ``NOT_ESCAPED``.
        strict: The same for the strict engine.
        data: Its input, JSON.
        runs: How often it runs, one after the other: what one leaves behind, the next would see.
        same: All runs have to answer the same.
        deterministic: It runs with a seed and a fixed clock.
    """

    name: str
    category: str
    origin: str
    source: str
    refused: tuple[str, ...]
    runtime: frozenset[str]
    strict: frozenset[str]
    data: bytes = _DATA.encode()
    runs: int = 1
    same: bool = False
    deterministic: bool = False

    def allowed(self, engine: Engine) -> frozenset[str]:
        """Return how it may end on an engine."""
        return self.strict if engine is Engine.STRICT else self.runtime


@cache
def escape_cases() -> tuple[EscapeCase, ...]:
    """Return every case, by category and then as they stand in the files.

    Raises:
        InternalError: A case is not written as it should be, or two have one name.
    """
    folder = files("quilate.sandbox.escapes").joinpath("cases")
    found = [
        _case(path.name.removesuffix(".yaml"), document)
        for path in sorted(folder.iterdir(), key=lambda each: each.name)
        if path.name.endswith(".yaml")
        for document in yaml.safe_load(path.read_text(encoding="utf-8"))
    ]
    names = [case.name for case in found]
    if len(set(names)) != len(names):
        raise InternalError(f"two escape cases are called {next(name for name in names if names.count(name) > 1)}")
    return tuple(found)


def _case(category: str, document: Mapping[str, Any]) -> EscapeCase:
    runtime = frozenset(document["runtime"])
    strict = frozenset(document.get("strict", runtime | _CONTAINED))
    refused = tuple(document["refused"])
    if unknown := ({*runtime, *strict} - _ENDINGS) | (set(refused) - set(RULES)):
        raise InternalError(f"escape case {document['name']} speaks of {', '.join(sorted(unknown))}, which is nothing")
    return EscapeCase(
        name=document["name"],
        category=category,
        origin=document["origin"],
        source=_source(document["source"]),
        refused=refused,
        runtime=runtime,
        strict=strict,
        data=document.get("data", _DATA).encode(),
        runs=document.get("runs", 1),
        same=document.get("same", False),
        deterministic=document.get("deterministic", False),
    )


def _source(pieces: str | list[str | Mapping[str, Any]]) -> str:
    if isinstance(pieces, str):
        return pieces
    return "".join(piece if isinstance(piece, str) else piece["text"] * piece["times"] for piece in pieces)
