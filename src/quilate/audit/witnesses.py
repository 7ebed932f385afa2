"""The witnesses whose cosignatures the log takes: one verifier key a line in the state directory."""

from pathlib import Path

from quilate.audit.notes import SignatureType, VerifierKey, parse_verifier_key
from quilate.domain.errors import ConfigurationError

WITNESSES_FILE = "audit-witnesses"


def load_witnesses(state_directory: Path) -> tuple[VerifierKey, ...]:
    """Return the witnesses' keys; empty lines and lines that begin with ``#`` are skipped.

    Raises:
        ConfigurationError: A line holds no key of a witness.
    """
    path = state_directory / WITNESSES_FILE
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read {path}", next_step="make it a readable text file") from error
    lines = [(number, line.strip()) for number, line in enumerate(content.splitlines(), start=1)]
    return tuple(_witness(path, number, line) for number, line in lines if line and not line.startswith("#"))


def _witness(path: Path, number: int, line: str) -> VerifierKey:
    try:
        key = parse_verifier_key(line)
    except ValueError as error:
        raise ConfigurationError(
            f"{path}:{number}: {error}", next_step="give the witness's verifier key: <name>+<key id>+<base64>"
        ) from error
    if key.type is SignatureType.ED25519:
        raise ConfigurationError(
            f"{path}:{number}: {key.name} is no key for cosignatures",
            next_step="ask the witness for its key of type 0x04 or 0x06",
        )
    return key
