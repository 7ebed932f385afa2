"""Read physical lines of bounded length."""

from collections.abc import Iterator
from typing import BinaryIO

from quilate.domain.errors import EvidenceError

MAX_LINE_BYTES = 16 << 20
"""A line beyond 16 MiB is a broken file (an unclosed quote, for example), or none of its kind at all."""


def numbered_lines(path: str, stream: BinaryIO, form: str) -> Iterator[tuple[int, bytes]]:
    """Yield each line from the stream's position on with its number from one.

    Args:
        path: The name to use in messages.
        stream: The file.
        form: What its lines should be like, for the message, as in ``has one JSON object a line``.

    Raises:
        EvidenceError: A line is longer than ``MAX_LINE_BYTES``.
    """
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES):
        number += 1
        if len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):
            raise EvidenceError(
                f"{path}:{number}: the line is longer than {MAX_LINE_BYTES >> 20} MiB",
                next_step=f"check that the file {form}",
            )
        yield number, raw
