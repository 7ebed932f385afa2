"""JSON arrays and NDJSON in blocks (A21): any cut gives the same records, broken text names line and byte."""

import json
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.scripts.batch.model import BatchInput, BatchInputError, Settings
from quilate.scripts.batch.text_reading import read_records
from quilate.scripts.model import FileFormat

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=8)
    | st.sampled_from(['},{"', "],[", ","]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)  # fmt: skip


def records_of(data: bytes, file_format: FileFormat, block: int, longest: int = 1 << 20) -> list[bytes]:
    settings = Settings(block_bytes=block, record_bytes=longest)
    source = BatchInput(data=data, format=file_format)
    return [record for records in read_records(source, settings) for record in records]


@given(
    values=st.lists(VALUES, max_size=12),
    indent=st.sampled_from([None, 1]),
    ascii_only=st.booleans(),
    block=st.integers(1, 60),
)
def test_arrays_are_cut_at_records_wherever_blocks_end(
    *, values: list[object], indent: int | None, ascii_only: bool, block: int
) -> None:
    data = json.dumps(values, indent=indent, ensure_ascii=ascii_only).encode()
    assert [json.loads(record) for record in records_of(data, FileFormat.JSON, block)] == values


@given(
    values=st.lists(VALUES, max_size=12),
    end=st.sampled_from(["\n", "\r\n", "\n\n \n"]),
    last=st.booleans(),
    block=st.integers(1, 60),
)
def test_lines_are_records_wherever_blocks_end(*, values: list[object], end: str, last: bool, block: int) -> None:
    data = end.join(json.dumps(value) for value in values).encode() + (b"\n" if last else b"")
    assert [json.loads(record) for record in records_of(data, FileFormat.NDJSON, block)] == values


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'[{"a":1},\n{"a":1}\n,{"b":xx}]', "line 3, column 7 (byte 24)"),
        (b'[{"a":1},{"a":1}', "line 1, column 17 (byte 16)"),
        (b"[1,]", "line 1, column 4 (byte 3)"),
        (b"[1 2]", "line 1, column 4 (byte 3)"),
        (b"\xef\xbb\xbf[1] x", "line 1, column 8 (byte 7)"),
    ],
)
def test_broken_arrays_name_line_and_byte(data: bytes, place: str, block: int) -> None:
    with pytest.raises(BatchInputError) as raised:
        records_of(data, FileFormat.JSON, block)
    assert f"The JSON is broken at {place}: " in str(raised.value)


@pytest.mark.parametrize("block", [1, 7, 1000])
@pytest.mark.parametrize(
    ("data", "place"),
    [
        (b'{"a":1}\n\n{"b":x}\n', "line 3, column 6 (byte 14)"),
        (b"1\n2 3\n", "line 2, column 3 (byte 4)"),
        (b'1\n{"a":', "line 2, column 6 (byte 7)"),
        (b"1\n2,3\n", "line 2, column 2 (byte 3)"),
    ],
)
def test_broken_lines_name_line_and_byte(data: bytes, place: str, block: int) -> None:
    with pytest.raises(BatchInputError) as raised:
        records_of(data, FileFormat.NDJSON, block)
    assert f"The JSON is broken at {place}: " in str(raised.value)


@pytest.mark.parametrize("data", [b'{"a": [1]}', b"5", b"", b"  "])
def test_what_is_no_array_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(BatchInputError, match="no JSON array"):
        records_of(data, FileFormat.JSON, 1000)


@pytest.mark.parametrize(("file_format", "begin"), [(FileFormat.JSON, b"["), (FileFormat.NDJSON, b"")])
def test_a_record_without_an_end_is_not_read_for_ever(file_format: FileFormat, begin: bytes) -> None:
    with pytest.raises(BatchInputError, match="is longer than 1000 bytes"):
        records_of(begin + b'{"a":"' + b"x" * 5000, file_format, 100, longest=1000)


@pytest.mark.parametrize("file_format", [FileFormat.JSON, FileFormat.NDJSON])
def test_memory_does_not_grow_with_the_file(tmp_path: Path, file_format: FileFormat) -> None:
    path = tmp_path / "records"
    lines = [json.dumps({"number": number, "text": "x" * 80}) for number in range(100_000)]
    between = ",\n" if file_format is FileFormat.JSON else "\n"
    text = between.join(lines)
    path.write_text(f"[{text}]" if file_format is FileFormat.JSON else text)
    del lines, text
    tracemalloc.start()
    settings = Settings(block_bytes=64 << 10)
    count = sum(len(records) for records in read_records(BatchInput(path=path, format=file_format), settings))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 100_000
    assert path.stat().st_size > 10_000_000
    assert peak < 1_500_000


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(BatchInputError, match="cannot be read"):
        list(read_records(BatchInput(path=tmp_path / "none", format=FileFormat.JSON), Settings()))
