"""The pieces that a batch is cut into: everything at once, or chunks of records."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from quilate.sandbox.model import Format, Payload
from quilate.scripts.batch.column_reading import read_batches
from quilate.scripts.batch.mapping import WireMapper
from quilate.scripts.batch.model import COLUMNAR, BatchInput, BatchInputError, Settings
from quilate.scripts.batch.text_reading import open_source, read_records
from quilate.scripts.model import FileFormat

_RAW_LIST: Final = msgspec.json.Decoder(list[msgspec.Raw])


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Records with the same key.

    Attributes:
        key: JSON array of the key's values.
        records: Indexes in the whole data, rising.
        payload: They alone.
    """

    key: str
    records: list[int]
    payload: Payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What one call gets.

    Attributes:
        number: From 0; of the first group, where it holds several.
        first_record: Index in the whole data.
        records: How many.
        payload: The records.
        groups: What it is made of, in mode ``group``.
        run: Partition that the groups come from.
    """

    number: int
    first_record: int
    records: int
    payload: Payload
    groups: tuple[Group, ...] = ()
    run: int = 0

    @property
    def name(self) -> bytes:
        """Of a chunk, in the part store."""
        return f"{self.number}:{self.first_record}:{self.records}".encode()


def json_array(records: list[bytes]) -> bytes:
    """The texts of records as one JSON array."""
    return b"[" + b",".join(records) + b"]"


def chunks(source: BatchInput, size: int, settings: Settings, types: dict[str, Any] | None = None) -> Iterator[Part]:
    """Cut the data into chunks of ``size`` records.

    Raises:
        BatchInputError: The data is broken; the place is named.
    """
    if source.format in COLUMNAR:
        yield from _column_chunks(source, size, settings, types)
        return
    for number, records in enumerate(_rechunked(read_records(source, settings), size)):
        payload = Payload(data=json_array(records))
        yield Part(number=number, first_record=number * size, records=len(records), payload=payload)


def _column_chunks(source: BatchInput, size: int, settings: Settings, types: dict[str, Any] | None) -> Iterator[Part]:
    mapper = WireMapper()
    for number, batch in enumerate(read_batches(source, size, settings, types)):
        payload = Payload(data=mapper.stream(batch, number * size), format=Format.ARROW)
        yield Part(number=number, first_record=number * size, records=batch.num_rows, payload=payload)


def _rechunked(blocks: Iterator[list[bytes]], size: int) -> Iterator[list[bytes]]:
    kept: list[bytes] = []
    for block in blocks:
        kept.extend(block)
        begin = 0
        while len(kept) - begin >= size:
            yield kept[begin : begin + size]
            begin += size
        kept = kept[begin:]
    if kept:
        yield kept


def whole(source: BatchInput, settings: Settings, types: dict[str, Any] | None = None) -> Part:
    """All the data as one part; JSON and NDJSON go on as they are.

    Raises:
        BatchInputError: It is broken, or larger than ``settings.whole_bytes``.
    """
    _check_size(source, settings)
    if source.format in COLUMNAR:
        batches = list(read_batches(source, 1 << 31, settings, types))
        if not batches:
            return Part(number=0, first_record=0, records=0, payload=Payload(data=b"[]"))
        payload = Payload(data=WireMapper().stream(batches[0]), format=Format.ARROW)
        return Part(number=0, first_record=0, records=batches[0].num_rows, payload=payload)
    with open_source(source) as stream:
        data = stream.read(settings.whole_bytes + 1)
    payload_format = Format.NDJSON if source.format is FileFormat.NDJSON else Format.JSON
    return Part(
        number=0,
        first_record=0,
        records=count_records(data, payload_format),
        payload=Payload(data=data, format=payload_format),
    )


def count_records(data: bytes, payload_format: Format) -> int:
    """Items of an array, lines with a value, or 1; 0 for what is broken or too deep, which the sandbox will say."""
    if payload_format is Format.NDJSON:
        return sum(1 for line in data.split(b"\n") if line.strip())
    try:
        return len(_RAW_LIST.decode(data))
    except msgspec.ValidationError:
        return 1
    except (msgspec.DecodeError, RecursionError):
        return 0


def _check_size(source: BatchInput, settings: Settings) -> None:
    size = len(source.data) if source.data is not None else 0
    if source.path is not None:
        try:
            size = source.path.stat().st_size
        except OSError as error:
            message = f"The file cannot be read: {error.strerror}"
            raise BatchInputError(message) from error
    if size > settings.whole_bytes:
        message = (
            f"The data has {size} bytes, mode whole takes at most {settings.whole_bytes}: "
            "use mode chunk or group, or Spark"
        )
        raise BatchInputError(message)
