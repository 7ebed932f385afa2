"""Public keys of logs and witnesses on the command line: as text, or in files with one key a line."""

from collections.abc import Iterable
from pathlib import Path

from quilate.audit.notes import VerifierKey, parse_verifier_key
from quilate.domain.errors import ConfigurationError

_MAX_BYTES = 1 << 20


def verifier_keys(given: Iterable[str], option: str) -> tuple[VerifierKey, ...]:
    """Return the keys of an option.

    Raises:
        ConfigurationError: One is neither a key nor a readable file of keys.
    """
    return tuple(key for text in given for key in _keys(text, option))


def _keys(text: str, option: str) -> list[VerifierKey]:
    lines = [text]
    try:
        return [parse_verifier_key(text)]
    except ValueError:
        if "+" not in text or Path(text).is_file():
            lines = read_file(Path(text)).decode("utf-8", "replace").splitlines()
    try:
        return [parse_verifier_key(line) for line in lines if line.strip() and not line.startswith("#")]
    except ValueError as error:
        raise ConfigurationError(
            f"{option} {text[:80]}: {error}", next_step="`quilate audit keys` prints the keys of a log"
        ) from error


def read_file(path: Path) -> bytes:
    """Return a small file's content.

    Raises:
        ConfigurationError: It cannot be read, or is no small file.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(f"cannot read {path}: {error.strerror}", next_step="give a readable file") from error
    if len(content) > _MAX_BYTES:
        raise ConfigurationError(f"{path} is too large", next_step="give the file that the option is about")
    return content
