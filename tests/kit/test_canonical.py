"""Canonical JSON is RFC 8785, by whichever way it is written (C10, C11)."""

from decimal import Decimal
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from quilate.kit.canonical import canonical_json, decimal_text, digest_of, file_digest, sha256_of

NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
SCALARS = st.none() | st.booleans() | NUMBERS | st.text()
DOCUMENTS = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=30)


@settings(derandomize=True, max_examples=1000, deadline=None)
@given(DOCUMENTS)
def test_both_ways_give_the_bytes_of_the_standard(document: object) -> None:
    assert canonical_json(document) == rfc8785.dumps(document)  # type: ignore[arg-type]  # its types are narrower


def test_keys_are_ordered_by_their_utf16_code_units() -> None:
    assert canonical_json({"\ufb33": 1, "\U0001f600": 2, "\u20ac": 3}) == (
        b'{"\xe2\x82\xac":3,"\xf0\x9f\x98\x80":2,"\xef\xac\xb3":1}'
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 2**53, -(2**53)])
def test_what_no_double_holds_is_refused(value: float) -> None:
    with pytest.raises(rfc8785.CanonicalizationError):
        canonical_json({"value": value})


@pytest.mark.parametrize(
    ("number", "text"),
    [("0.80", "0.8"), ("8E-1", "0.8"), ("100", "100"), ("1E+2", "100"), ("-0", "0"), ("0.0", "0"), ("-1.50", "-1.5")],
)
def test_a_decimal_has_one_spelling(number: str, text: str) -> None:
    assert decimal_text(Decimal(number)) == text


def test_digests_name_their_function_and_agree(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b'{"a":1}')

    assert file_digest(tmp_path / "file") == sha256_of(b'{"a":1}') == digest_of({"a": 1})
    assert digest_of({}).startswith("sha256:")


@pytest.mark.parametrize("number", ["1e999999999", "-1e999999999", "1e-999999999", "NaN", "Infinity"])
def test_a_hostile_exponent_is_not_written_out(number: str) -> None:
    assert len(decimal_text(Decimal(number))) < 20
