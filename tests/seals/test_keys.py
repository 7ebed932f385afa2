"""Signing keys in files: made once, readable by their user alone, refused otherwise (C10, C16, D09)."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import sha256_of
from quilate.seals.keys import (
    PRIVATE_FILE,
    PUBLIC_FILE,
    create_key,
    describe_key,
    keys_directory,
    load_signing_key,
    load_verification_key,
    local_key,
    local_verification_key,
    verification_key,
)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("QUILATE_HOME", str(tmp_path))
    return tmp_path


def test_a_key_is_made_readable_by_its_user_alone(home: Path) -> None:
    key = create_key()

    private = home / "keys" / PRIVATE_FILE
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    assert stat.S_IMODE(private.parent.stat().st_mode) == 0o700
    assert sorted(path.name for path in private.parent.iterdir()) == [PRIVATE_FILE, PUBLIC_FILE]
    assert load_signing_key(private).key_id == key.key_id
    assert load_verification_key(home / "keys" / PUBLIC_FILE).key_id == key.key_id


def test_the_key_id_is_the_digest_of_the_public_key_info() -> None:
    key = create_key()
    public = key.private_key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    assert key.key_id == sha256_of(public)


def test_a_key_is_never_replaced(home: Path) -> None:
    first = create_key()

    with pytest.raises(ConfigurationError, match="already"):
        create_key()

    assert load_signing_key(home / "keys" / PRIVATE_FILE).key_id == first.key_id
    assert local_verification_key() is not None


def test_the_first_seal_makes_the_key_and_later_ones_use_it() -> None:
    assert describe_key() == ""
    assert local_verification_key() is None

    first = local_key()

    assert local_key().key_id == first.key_id
    assert describe_key().startswith(first.key_id)
    own = local_verification_key()
    assert own is not None
    assert own.key_id == first.key_id
    assert own.local


def test_runs_at_the_same_time_agree_on_one_key() -> None:
    with ThreadPoolExecutor(8) as pool:
        identities = {future.result().key_id for future in [pool.submit(local_key) for _ in range(8)]}

    assert len(identities) == 1


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_key_that_others_may_read_is_refused(home: Path, mode: int) -> None:
    create_key()
    (home / "keys" / PRIVATE_FILE).chmod(mode)

    with pytest.raises(ConfigurationError, match="others may read") as caught:
        local_key()

    assert "chmod 600" in caught.value.next_step
    with pytest.raises(ConfigurationError):
        describe_key()


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    file = tmp_path / "ec.pem"
    file.touch(mode=0o600)
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)

    with pytest.raises(ConfigurationError, match="no Ed25519"):
        load_signing_key(file)
    with pytest.raises(ConfigurationError, match="no Ed25519"):
        verification_key(public)


@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 100, b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"]
)
def test_a_file_that_is_no_key_is_an_error_without_its_content(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key.pem"
    file.write_bytes(content)
    file.chmod(0o600)

    with pytest.raises(ConfigurationError, match="no private key"):
        load_signing_key(file)
    with pytest.raises(ConfigurationError, match="no public key"):
        load_verification_key(file)


def test_a_directory_in_place_of_the_key_is_an_error(home: Path) -> None:
    (home / "keys" / PRIVATE_FILE).mkdir(parents=True)

    with pytest.raises(ConfigurationError, match="signing key"):
        local_key()


def test_a_private_key_is_no_public_key(home: Path) -> None:
    create_key()

    with pytest.raises(ConfigurationError, match="no public key"):
        load_verification_key(home / "keys" / PRIVATE_FILE)


def test_the_directory_follows_the_environment(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert keys_directory() == home / "keys"
    monkeypatch.delenv("QUILATE_HOME")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "configuration"))
    assert keys_directory() == home / "configuration" / "quilate" / "keys"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(home))
    assert keys_directory() == home / ".config" / "quilate" / "keys"


def test_an_unwritable_directory_says_so(home: Path) -> None:
    (home / "keys").write_text("a file in the way")

    with pytest.raises(ConfigurationError, match="cannot write") as caught:
        create_key()

    assert caught.value.next_step


def test_the_public_key_signs_nothing_else() -> None:
    key = create_key()

    assert isinstance(key.verification_key().public_key, ed25519.Ed25519PublicKey)
    assert b"PRIVATE" not in key.verification_key().pem()


def test_a_key_reads_the_same_by_both_ways(tmp_path: Path) -> None:
    made = create_key(tmp_path)
    private = next(file for file in tmp_path.iterdir() if b"PRIVATE" in file.read_bytes())
    private.write_bytes(private.read_bytes().replace(b"\n", b"\r\n"))
    by_library = load_signing_key(private)
    der = made.verification_key().public_key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )

    assert by_library.key_id == made.key_id == sha256_of(der)
    assert by_library.sign(b"x") == made.sign(b"x")
