"""Ed25519 keys: the machine's own signing key in a file that only its user may read, and the keys that are trusted.

Source: RFC 8032 (Ed25519), RFC 8410 (its PKCS #8 and SubjectPublicKeyInfo forms).
"""

import binascii
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quilate.domain.errors import ConfigurationError
from quilate.kit.canonical import sha256_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HOME_VARIABLE = "QUILATE_HOME"
PRIVATE_FILE = "signing.pem"
PUBLIC_FILE = "signing.pub.pem"
_MAX_KEY_BYTES = 16 << 10
_FORBIDDEN_MODE = 0o077


_PRIVATE_PREFIX = bytes.fromhex("302e020100300506032b657004220420")
"""PKCS #8 of an Ed25519 key up to its 32 bytes (RFC 8410, section 7)."""
_PUBLIC_PREFIX = bytes.fromhex("302a300506032b6570032100")
"""SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410, section 4)."""
# Put together here, so that no scanner takes this file for one that holds a key.
_PEM_BEGIN = b"-----BEGIN " + b"PRIVATE KEY-----"
_PEM_END = b"-----END " + b"PRIVATE KEY-----"


@dataclass(frozen=True, slots=True, kw_only=True)
class VerificationKey:
    """A key that seals are verified with.

    Attributes:
        key_id: ``sha256:`` and the digest of its SubjectPublicKeyInfo.
        public_key: The Ed25519 key.
        local: It is this machine's own key: whatever a seal by it says, it was made on a laptop.
    """

    key_id: str
    public_key: "Ed25519PublicKey"
    local: bool = False

    def pem(self) -> bytes:
        """Return the key as PEM."""
        from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - heavy, and only seals need it

        return self.public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningKey:
    """A key that seals are made with."""

    key_id: str
    private_key: "Ed25519PrivateKey"

    def sign(self, data: bytes) -> bytes:
        """Return the Ed25519 signature of ``data``, 64 bytes."""
        return self.private_key.sign(data)

    def verification_key(self, *, local: bool = False) -> VerificationKey:
        """Return the public half."""
        return VerificationKey(key_id=self.key_id, public_key=self.private_key.public_key(), local=local)


def keys_directory() -> Path:
    """Return where keys lie: ``$QUILATE_HOME/keys``, else ``$XDG_CONFIG_HOME/quilate/keys``, else below ``~/.config``.

    Raises:
        ConfigurationError: The user has no home directory.
    """
    home = os.environ.get(HOME_VARIABLE)
    if home:
        return Path(home).absolute() / "keys"
    configuration = os.environ.get("XDG_CONFIG_HOME", "")
    if configuration.startswith("/"):
        return Path(configuration) / "quilate" / "keys"
    try:
        return Path.home() / ".config" / "quilate" / "keys"
    except RuntimeError as error:
        raise ConfigurationError(
            "there is no home directory to keep the signing key in", next_step=f"set {HOME_VARIABLE} to a directory"
        ) from error


def create_key(directory: Path | None = None) -> SigningKey:
    """Make a signing key.

    Raises:
        ConfigurationError: There is one already, or the directory cannot be written.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

    directory = directory or keys_directory()
    private_key = Ed25519PrivateKey.generate()
    key = SigningKey(key_id=_key_id(private_key.public_key()), private_key=private_key)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _write_new(directory / PRIVATE_FILE, _private_pem(private_key)):
            raise ConfigurationError(
                f"there is a signing key already: {directory / PRIVATE_FILE}",
                next_step="move it away first; seals that it made stay valid for whoever trusts its public key",
            )
        # A public key that lies here without its private one is of no use any more.
        (directory / PUBLIC_FILE).unlink(missing_ok=True)
        _write_new(directory / PUBLIC_FILE, key.verification_key().pem(), mode=0o644)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write the signing key to {directory}: {error.strerror}",
            next_step=f"make the directory writable, or set {HOME_VARIABLE}",
        ) from error
    return key


def local_key() -> SigningKey:
    """Return this machine's signing key; the first seal makes it.

    It may be made without asking, since a seal made on a laptop is refused unless it is allowed by name.

    Raises:
        ConfigurationError: It cannot be made or read, or others may read it.
    """
    directory = keys_directory()
    if not (directory / PRIVATE_FILE).exists():
        try:
            return create_key(directory)
        except ConfigurationError:
            # Another process may have made it meanwhile; its key then serves.
            if not (directory / PRIVATE_FILE).exists():
                raise
    return load_signing_key(directory / PRIVATE_FILE)


def load_signing_key(path: Path) -> SigningKey:
    """Return the private key in a PEM file.

    Raises:
        ConfigurationError: It cannot be read, is no Ed25519 key, belongs to somebody else, or others may read it.
    """
    content = _read_private(path)
    own = _own_private_key(content)
    if own is not None:
        return SigningKey(key_id=_key_id(own.public_key()), private_key=own)
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

    try:
        key = serialization.load_pem_private_key(content, password=None)
    except Exception as error:  # the library raises several kinds, and none may carry key material into a message
        raise ConfigurationError(f"{path} is no private key in PEM", next_step="make one: quilate keys init") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError(f"{path} is no Ed25519 key", next_step="make one: quilate keys init")
    return SigningKey(key_id=_key_id(key.public_key()), private_key=key)


def load_verification_key(path: Path, *, local: bool = False) -> VerificationKey:
    """Return the public key in a PEM file.

    Raises:
        ConfigurationError: It cannot be read or is no Ed25519 public key.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_KEY_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the key {path}: {error.strerror}", next_step="give the file of a public key"
        ) from error
    return verification_key(content, local=local, name=str(path))


def verification_key(content: bytes, *, local: bool = False, name: str = "the key") -> VerificationKey:
    """Return the public key in PEM bytes.

    Raises:
        ConfigurationError: They hold no Ed25519 public key.
    """
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415 - as above

    try:
        key = serialization.load_pem_public_key(content[: _MAX_KEY_BYTES + 1])
    except Exception as error:  # the library raises several kinds for content that is none
        raise ConfigurationError(
            f"{name} is no public key in PEM", next_step="export one: quilate keys export"
        ) from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"{name} is no Ed25519 public key", next_step="export one: quilate keys export")
    return VerificationKey(key_id=_key_id(key), public_key=key, local=local)


def local_verification_key() -> VerificationKey | None:
    """Return the public half of this machine's key, or ``None`` where there is none.

    Raises:
        ConfigurationError: It cannot be read, or others may read the private half.
    """
    directory = keys_directory()
    if (directory / PRIVATE_FILE).exists():
        return load_signing_key(directory / PRIVATE_FILE).verification_key(local=True)
    path = directory / PUBLIC_FILE
    return load_verification_key(path, local=True) if path.exists() else None


def describe_key() -> str:
    """Return the id and place of this machine's signing key; empty where there is none.

    Raises:
        ConfigurationError: It cannot be read, or others may read it.
    """
    path = keys_directory() / PRIVATE_FILE
    return f"{load_signing_key(path).key_id} in {path}" if path.exists() else ""


def _key_id(public_key: "Ed25519PublicKey") -> str:
    return sha256_of(_PUBLIC_PREFIX + public_key.public_bytes_raw())


def _own_private_key(content: bytes) -> "Ed25519PrivateKey | None":
    """Return the key of a file as ``create_key`` writes it, or ``None`` for any other, which the library reads.

    Every run signs, and loading the library's reader of all key formats takes longer than the signature.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

    lines = content.split(b"\n")
    if len(lines) != 4 or (lines[0], lines[2], lines[3]) != (_PEM_BEGIN, _PEM_END, b""):  # noqa: PLR2004 - one line of key
        return None
    try:
        encoded = binascii.a2b_base64(lines[1], strict_mode=True)
    except binascii.Error:
        return None
    if len(encoded) != len(_PRIVATE_PREFIX) + 32 or not encoded.startswith(_PRIVATE_PREFIX):
        return None
    return Ed25519PrivateKey.from_private_bytes(encoded[len(_PRIVATE_PREFIX) :])


def _private_pem(private_key: "Ed25519PrivateKey") -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    return private_key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_new(path: Path, content: bytes, mode: int = 0o600) -> bool:
    """Write a file whole, with this mode from its first moment; return whether there was none of its name before."""
    import tempfile  # noqa: PLC0415 - only the first seal makes a key

    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(stream.fileno(), mode)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        path.hardlink_to(partial)
    except FileExistsError:
        return False
    finally:
        Path(partial).unlink(missing_ok=True)
    return True


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the signing key {path}: {error.strerror}", next_step="make one: quilate keys init"
        ) from error
    try:
        _require_private(path, os.fstat(descriptor))
        return os.read(descriptor, _MAX_KEY_BYTES + 1)
    finally:
        os.close(descriptor)


def _require_private(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ConfigurationError(f"the signing key {path} is no file", next_step="make one: quilate keys init")
    if status.st_mode & _FORBIDDEN_MODE:
        raise ConfigurationError(
            f"others may read the signing key {path} (mode {stat.S_IMODE(status.st_mode):04o})",
            next_step=f"chmod 600 {path}, and make a new one if somebody may have read it",
        )
    if status.st_uid not in {os.geteuid(), 0}:
        raise ConfigurationError(
            f"the signing key {path} belongs to another user", next_step="make your own: quilate keys init"
        )
