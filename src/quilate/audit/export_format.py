"""The lines of an export: the whole log in one file that is verified without the service.

Newline-delimited JSON. The first line names the format, the log and its size; then every entry with its hash from the
tree, each checkpoint after the last entry that it covers, and a last line that says how many entries there were. The
log's keys are entries themselves. An entry is ``{"hash":"<base64>","index":<number>,"leaf":<content>}``, where the
content stands byte for byte as it was hashed.
"""

import msgspec

FORMAT = "quilate-audit/v1"
MEDIA_TYPE = "application/x-ndjson"


class Header(msgspec.Struct):
    """First line."""

    format: str
    origin: str
    size: int


class Damaged(msgspec.Struct):
    """An entry whose stored parts contradict each other, or that is missing.

    ``hash`` is the tree's, ``row_hash`` the one beside the entry; base64, empty where there is none.
    """

    index: int
    damaged: bool = True
    hash: str = ""
    leaf_base64: str | None = None
    row_hash: str = ""


class CheckpointLine(msgspec.Struct):
    """A checkpoint as signed note, cosignatures included."""

    checkpoint: str


class End(msgspec.Struct):
    """Last line: how many entries there were."""

    end: int
