"""Results of groups put in the order of their groups' first records, where they come partition by partition.

Each partition's results are in order, so one table of each is held at a time, and all rows up to the least of their
last ones are ready.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]

from quilate.scripts.batch.mapping import write_stream

FIRST: Final = "\0first"
"""Name of the column with the index of the group's first record."""


class Runs:
    """Tables with a ``FIRST`` column, on disk.

    Args:
        directory: For one file of each run.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._written: dict[int, BinaryIO] = {}

    def add(self, run: int, table: Any) -> None:
        """Append a table to a run; its rows come after those that are there."""
        if table.num_rows == 0:
            return
        stream = self._written.get(run)
        if stream is None:
            stream = self._written[run] = (self._directory / f"{run}.run").open("wb")
        for batch in table.combine_chunks().to_batches():
            content = write_stream(batch)
            stream.write(struct.pack("<Q", len(content)) + content)

    def merged(self) -> Iterator[Any]:
        """Give all rows in order, without the ``FIRST`` column."""
        for stream in self._written.values():
            stream.close()
        readers = [_tables(self._directory / f"{run}.run") for run in sorted(self._written)]
        heads = [(next(reader), reader) for reader in readers]
        while heads:
            limit = min(table.column(FIRST)[-1].as_py() for table, _ in heads)
            ready, left = [], []
            for table, reader in heads:
                count = pc.sum(pc.less_equal(table.column(FIRST), limit)).as_py() or 0
                ready.append(table.slice(0, count))
                rest = table.slice(count)
                following = rest if rest.num_rows else next(reader, None)
                if following is not None:
                    left.append((following, reader))
            heads = left
            table = pa.concat_tables(ready, promote_options="permissive")
            order = pc.sort_indices(table.column(FIRST))
            yield table.take(order).drop_columns([FIRST])

    def close(self) -> None:
        """Close the files."""
        for stream in self._written.values():
            stream.close()


def _tables(path: Path) -> Iterator[Any]:
    with path.open("rb") as stream:
        while header := stream.read(8):
            content = stream.read(struct.unpack("<Q", header)[0])
            with pa.ipc.open_stream(content) as reader:
                yield reader.read_all()
