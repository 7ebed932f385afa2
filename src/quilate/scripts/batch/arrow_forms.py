"""Arrow's two forms on disk, one made from the other batch by batch: the file, with an index, and the stream."""

from pathlib import Path

import pyarrow as pa  # type: ignore[import-untyped]

FILE_MAGIC = b"ARROW1"
"""How a file begins; a stream never does."""


def is_file(path: Path) -> bool:
    """Tell whether something on disk is an Arrow file."""
    with path.open("rb") as content:
        return content.read(len(FILE_MAGIC)) == FILE_MAGIC


def write_as_stream(source: Path, target: Path) -> None:
    """Write an Arrow file as a stream.

    Raises:
        pyarrow.ArrowException: It is none, or cut.
    """
    with (
        pa.OSFile(str(source), "rb") as content,
        pa.ipc.open_file(content) as reader,
        pa.ipc.new_stream(str(target), reader.schema) as writer,
    ):
        for number in range(reader.num_record_batches):
            writer.write_batch(reader.get_batch(number))


def write_as_file(source: Path, target: Path) -> None:
    """Write an Arrow stream as a file.

    Raises:
        pyarrow.ArrowException: It is none, or cut.
    """
    with (
        pa.OSFile(str(source), "rb") as content,
        pa.ipc.open_stream(content) as reader,
        pa.ipc.new_file(str(target), reader.schema) as writer,
    ):
        for batch in reader:
            writer.write_batch(batch)
