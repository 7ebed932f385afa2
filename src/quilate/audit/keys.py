"""The log's signing keys: Ed25519, and ML-DSA-44 beside it where the installed library offers it.

By default they lie in files of the state directory that only their user may read. ``Keyring`` is all that the
sequencer asks for, so that a key management service or a hardware module can take their place.

Source: RFC 8032 (Ed25519), FIPS 204 (ML-DSA-44).
"""

import os
import re
import stat
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from quilate.audit.checkpoints import Signer
from quilate.audit.notes import SignatureType, VerifierKey
from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

KEY_FILE = "audit-key.pem"
NEXT_KEY_FILE = "audit-key.next.pem"
_MAX_BYTES = 16 << 10
_FORBIDDEN_MODE = 0o077
_BLOCK = re.compile(rb"-----BEGIN PRIVATE KEY-----\n[A-Za-z0-9+/=\n]+-----END PRIVATE KEY-----\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey:
    """What a log signs with at one time: one signer for each algorithm, Ed25519 first."""

    signers: tuple[Signer, ...]

    @property
    def verifiers(self) -> tuple[VerifierKey, ...]:
        """The public halves."""
        return tuple(signer.verifier for signer in self.signers)


class Keyring(Protocol):
    """Where a log's keys are."""

    def find(self, verifiers: Sequence[VerifierKey]) -> LogKey | None:
        """Return the key with these public halves, and let go of older ones; ``None`` where it is not here."""
        ...

    def create(self, origin: str) -> LogKey:
        """Make the log's first key."""
        ...

    def create_next(self, origin: str) -> LogKey:
        """Make the key that is to follow; one that was made already and never used is returned again."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSigner:
    """A private key in this process's memory."""

    verifier: VerifierKey
    private_key: "Ed25519PrivateKey | MLDSA44PrivateKey"

    def sign(self, message: bytes) -> bytes:
        """Return the signature of a message."""
        return self.private_key.sign(message)


class FileKeyring:
    """Keys in files of a directory: the present one, and the next one until the log has taken it up."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def find(self, verifiers: Sequence[VerifierKey]) -> LogKey | None:
        """Return the key with these public halves; where it is the next one it becomes the present one.

        Raises:
            ConfigurationError: A key file cannot be read, or others may read it.
        """
        if not verifiers:
            return None
        name = verifiers[0].name
        for file in (KEY_FILE, NEXT_KEY_FILE):
            key = _load(self._directory / file, name)
            if key is not None and key.verifiers == tuple(verifiers):
                if file == NEXT_KEY_FILE:
                    (self._directory / NEXT_KEY_FILE).replace(self._directory / KEY_FILE)
                    _sync(self._directory)
                return key
        return None

    def create(self, origin: str) -> LogKey:
        """Make the log's first key; one that lies here already serves, since no log has used it.

        Raises:
            ConfigurationError: The directory cannot be written, or the file there is no key.
        """
        return self._made(KEY_FILE, origin)

    def create_next(self, origin: str) -> LogKey:
        """Make the key that is to follow.

        Raises:
            ConfigurationError: The directory cannot be written, or the file there is no key.
        """
        return self._made(NEXT_KEY_FILE, origin)

    def _made(self, file: str, origin: str) -> LogKey:
        path = self._directory / file
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not path.exists():
                _write_new(path, b"".join(map(_pem, _generate())))
        except OSError as error:
            raise ConfigurationError(
                f"cannot write the audit log's key to {path}: {error.strerror}", next_step="make the directory writable"
            ) from error
        key = _load(path, origin)
        if key is None:
            raise ConfigurationError(f"the audit log's key {path} has gone", next_step="try again")
        return key


def _generate() -> "list[Ed25519PrivateKey | MLDSA44PrivateKey]":
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415 - heavy, and only signing needs it
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

    classical = Ed25519PrivateKey.generate()
    try:
        from cryptography.hazmat.primitives.asymmetric import mldsa  # noqa: PLC0415 - not everywhere

        return [classical, mldsa.MLDSA44PrivateKey.generate()]
    except (ImportError, UnsupportedAlgorithm):
        return [classical]


def _pem(key: "Ed25519PrivateKey | MLDSA44PrivateKey") -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(path: Path, name: str) -> LogKey | None:
    content = _read_private(path)
    if content is None:
        return None
    signers = tuple(_signer(block, name, path) for block in _BLOCK.findall(content))
    if not signers or signers[0].verifier.type is not SignatureType.ED25519:
        raise ConfigurationError(f"{path} holds no Ed25519 key first", next_step="restore the file from its backup")
    return LogKey(signers=signers)


def _signer(block: bytes, name: str, path: Path) -> LocalSigner:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415 - as above

    try:
        key: Any = serialization.load_pem_private_key(block, password=None)
    except Exception as error:  # the library raises several kinds, and none may carry key material into a message
        raise ConfigurationError(
            f"a key in {path} cannot be read", next_step="restore the file, or install a newer cryptography"
        ) from error
    kind = SignatureType.ED25519 if isinstance(key, Ed25519PrivateKey) else SignatureType.COSIGNATURE_ML_DSA_44
    public_key = VerifierKey(name=name, type=kind, public_key=key.public_key().public_bytes_raw())
    return LocalSigner(verifier=public_key, private_key=key)


def _read_private(path: Path) -> bytes | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the audit log's key {path}: {error.strerror}", next_step="run as the user whom it belongs to"
        ) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_mode & _FORBIDDEN_MODE:
            raise ConfigurationError(
                f"others may read the audit log's key {path}",
                next_step=f"chmod 600 {path}, and rotate it if somebody may have read it: quilate audit rotate-key",
            )
        if os.geteuid() and status.st_uid not in {os.geteuid(), 0}:
            raise ConfigurationError(
                f"the audit log's key {path} belongs to another user", next_step="run as that user"
            )
        return os.read(descriptor, _MAX_BYTES)
    finally:
        os.close(descriptor)


def _write_new(path: Path, content: bytes) -> None:
    """Write a file whole, closed to others from its first moment, unless another process was faster."""
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            if os.geteuid() == 0:
                # An administrator makes it for the service's own user, to whom the directory belongs.
                owner = path.parent.stat()
                os.fchown(stream.fileno(), owner.st_uid, owner.st_gid)
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        path.hardlink_to(partial)
    except FileExistsError:
        return
    finally:
        Path(partial).unlink(missing_ok=True)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
