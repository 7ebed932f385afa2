"""CSV as columns: what is no UTF-8 and what no number holds is refused, everything else read (A11, A21)."""

import io
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pytest

from quilate.scripts.batch.csv_reading import LongIntegerError, csv_batches
from quilate.scripts.batch.model import BatchInputError

KEY = "35240112345678000199550010000012341000012345"


def records(text: bytes, block_bytes: int = 1 << 20, **types: Any) -> list[dict[str, Any]]:
    return [row for batch in csv_batches(io.BytesIO(text), types, block_bytes) for row in batch.to_pylist()]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("nome,valor\nJoão,1\n".encode("latin-1"), "the column nome is no UTF-8"),
        ("nome,operação\nx,1\n".encode("latin-1"), "a name of a column is no UTF-8"),
    ],
)
def test_what_is_no_utf8_is_refused_and_not_made_bytes(text: bytes, what: str) -> None:
    with pytest.raises(BatchInputError, match=what):
        records(text)


@pytest.mark.parametrize("text", [f"chave,valor\nx,1.5\ny,{KEY}\n", f"chave,valor\nx,1.5\ny, -{KEY} \n"])
@pytest.mark.parametrize("block_bytes", [60, 1 << 20])
def test_digits_that_no_number_holds_are_refused_with_their_place(text: str, block_bytes: int) -> None:
    with pytest.raises(LongIntegerError, match=KEY) as caught:
        records(text.encode(), block_bytes)
    assert (caught.value.record, caught.value.name) == (1, "valor")


def test_they_are_texts_where_texts_are_asked_for() -> None:
    assert records(f"chave\n{KEY}\n".encode(), chave=pa.string()) == [{"chave": KEY}]


def test_decimals_are_read_as_ever() -> None:
    text = b'a,b\n1.5,"x\ny"\n 2e20,\nNA,NA\n,"1.5"\ninf,z\n-1234567890123456789.5,\n'
    numbers = [1.5, 2e20, None, None, float("inf"), -1234567890123456789.5]
    for block_bytes in (30, 1 << 20):
        assert [row["a"] for row in records(text, block_bytes)] == numbers
    assert [row["b"] for row in records(text)] == ["x\ny", "", "NA", "1.5", "z", ""]


def test_a_text_among_decimals_names_its_column() -> None:
    with pytest.raises(pa.ArrowInvalid, match="In CSV column a"):
        records(b"a\n" + b"1.5\n" * 20 + b"x\n", 20)


def test_a_first_block_that_ends_within_a_quoted_text_is_read() -> None:
    row = b'1.5,"x\ny,z",5" pipe\n'
    for block_bytes in range(45, 120):
        assert len(records(b"a,b,c\n" + row * 30, block_bytes)) == 30
