"""What a run judges."""

from dataclasses import dataclass
from enum import StrEnum

from quilate.domain.ids import Digest


class SubjectKind(StrEnum):
    """The kinds of thing that a team ships."""

    COMMIT = "commit"
    TREE = "tree"
    DATASET_VERSION = "dataset_version"
    SCRIPT_VERSION = "script_version"
    MODEL_VERSION = "model_version"
    KEY = "key"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """One thing that is judged, named by kind, name and the digest of its content.

    ``kind`` is ``commit`` for a clean git tree at ``revision`` and ``tree`` for one with uncommitted changes or
    without git; ``digest`` covers the content of every judged file either way.
    """

    kind: SubjectKind
    name: str
    digest: Digest
    revision: str = ""
    branch: str = ""
    dirty: bool = False
