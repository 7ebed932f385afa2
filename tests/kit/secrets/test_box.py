"""Secrets at rest: sealed for one row, opened by whoever has the key, rotated without loss (C09)."""

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quilate.domain.errors import ConfigurationError
from quilate.kit.secrets.box import SecretUnreadableError, box_of, open_box

BOX = box_of(b"k" * 32)


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_what_is_sealed_is_opened_and_hidden(plain: str) -> None:
    sealed = BOX.seal(plain, "connections:1:token")

    assert BOX.open(sealed, "connections:1:token") == plain
    assert BOX.seal(plain, "connections:1:token") != sealed
    assert len(plain) < 8 or plain.encode() not in sealed


def test_a_secret_does_not_open_in_another_row() -> None:
    sealed = BOX.seal("token", "connections:1:token")

    with pytest.raises(SecretUnreadableError):
        BOX.open(sealed, "connections:2:token")


def test_every_changed_byte_is_noticed() -> None:
    sealed = BOX.seal("token", "here")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SecretUnreadableError):
            BOX.open(bytes(changed), "here")
    for length in range(len(sealed)):
        with pytest.raises(SecretUnreadableError):
            BOX.open(sealed[:length], "here")


def test_a_rotated_key_still_opens_what_it_sealed() -> None:
    old, new = box_of(b"o" * 32), box_of(b"n" * 32, b"o" * 32)
    sealed = old.seal("token", "here")

    assert new.open(sealed, "here") == "token"
    with pytest.raises(SecretUnreadableError):
        old.open(new.seal("token", "here"), "here")
    with pytest.raises(SecretUnreadableError):
        box_of(b"n" * 32).open(sealed, "here")


def test_processes_that_start_together_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "secrets.key"
    with ThreadPoolExecutor(16) as pool:
        boxes = list(pool.map(lambda _: open_box(path), range(16)))

    assert len({box.derived("one") for box in boxes}) == 1
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["secrets.key"]


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "secrets.key"
    open_box(path)
    path.chmod(0o644)

    with pytest.raises(ConfigurationError, match="others may read"):
        open_box(path)


@pytest.mark.parametrize("content", [b"", b"zzzz\n", base64.b64encode(b"short"), b"\xff\xfe"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "secrets.key"
    path.write_bytes(content)
    os.chmod(path, 0o600)  # noqa: PTH101 - the mode is what counts here

    with pytest.raises(ConfigurationError):
        open_box(path)


def test_the_key_shows_in_no_representation() -> None:
    assert "kkkk" not in repr(BOX)
