"""What a change of a JSON Schema means for those who write and read by it.

Both schemas are walked together. A change that takes values away **narrows**, one that lets more in **widens**; what
does both, or cannot be told, counts as both. The report errs on one side only: it may call a change narrowing or
widening that in truth takes nothing away or lets nothing in, and never the other way round.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from quilate.scripts.versions.schema_documents import SchemaDocument
from quilate.scripts.versions.schema_keywords import compare_keywords
from quilate.scripts.versions.schema_relations import MOST_CHANGES, Change, Effect, Walk


class Compatibility(StrEnum):
    """How the values of two schemas relate.

    ``full``: the same values. ``backward``: the new one takes all that the old one took. ``forward``: the old one took
    all that the new one takes. ``breaking``: neither.
    """

    FULL = "full"
    BACKWARD = "backward"
    FORWARD = "forward"
    BREAKING = "breaking"


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaReport:
    """What changed from one schema to another.

    Attributes:
        compatibility: How their values relate.
        changes: Each change, at most ``MOST_CHANGES``.
        truncated: There are more.
    """

    compatibility: Compatibility
    changes: tuple[Change, ...] = ()
    truncated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CompatibilityReport:
    """What changed from one version to another for those who send data and those who read results.

    Attributes:
        before: Number of the earlier version.
        after: Number of the later one.
        input: Of the input schema. It breaks callers unless it is full or backward.
        output: Of the output schema. It breaks readers unless it is full or forward.
    """

    before: str
    after: str
    input: SchemaReport = field(default_factory=lambda: SchemaReport(compatibility=Compatibility.FULL))
    output: SchemaReport = field(default_factory=lambda: SchemaReport(compatibility=Compatibility.FULL))

    @property
    def breaks_callers(self) -> bool:
        """Some data that the earlier version took may be refused."""
        return self.input.compatibility not in {Compatibility.FULL, Compatibility.BACKWARD}

    @property
    def breaks_readers(self) -> bool:
        """Some results may be such as the earlier version never gave."""
        return self.output.compatibility not in {Compatibility.FULL, Compatibility.FORWARD}


_ANYTHING = SchemaDocument(canonical=b"true", value=True, nodes={"#": True})


def compare_schemas(before: SchemaDocument | None, after: SchemaDocument | None) -> SchemaReport:
    """Return what changed; no schema takes anything."""
    before, after = before or _ANYTHING, after or _ANYTHING
    if before.canonical == after.canonical:
        return SchemaReport(compatibility=Compatibility.FULL)
    walk = Walk(before=before.nodes, after=after.nodes, keywords=compare_keywords)
    walk.compare(before.value, after.value, "")
    narrowed = bool(walk.effects & {Effect.NARROWED, Effect.CHANGED})
    widened = bool(walk.effects & {Effect.WIDENED, Effect.CHANGED})
    return SchemaReport(
        compatibility=_RELATION[narrowed, widened],
        changes=tuple(walk.changes[:MOST_CHANGES]),
        truncated=len(walk.changes) > MOST_CHANGES,
    )


_RELATION: Mapping[tuple[bool, bool], Compatibility] = {
    (False, False): Compatibility.FULL,
    (False, True): Compatibility.BACKWARD,
    (True, False): Compatibility.FORWARD,
    (True, True): Compatibility.BREAKING,
}
