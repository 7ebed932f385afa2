"""The tokens that ``quilate login`` keeps: one for each service, in a file that only its owner may read."""

import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from quilate.domain.errors import ConfigurationError
from quilate.seals.keys import keys_directory

_FILE = "logins.json"
_LARGEST = 1 << 20
_MOST_NAMED = 5
_PORTS = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptLogin:
    """A token for one service.

    Attributes:
        token: The token itself.
        actor: In whose name, as the service's audit log has it.
        expires_at: When it ends, as ISO 8601; empty where that is not known.
    """

    token: str
    actor: str = ""
    expires_at: str = ""


def logins_file() -> Path:
    """Return where logins are kept: beside the signing keys, below ``$QUILATE_HOME`` or the user's configuration.

    Raises:
        ConfigurationError: The user has no home directory.
    """
    return keys_directory().parent / _FILE


def address_of(url: str) -> str:
    """Return a service's address as logins are kept under: two spellings of one address are one."""
    try:
        parts = urlsplit(url.strip())
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        return url.strip()
    scheme = parts.scheme.lower()
    shown = f"[{host}]" if ":" in host else host
    place = shown if port in {None, _PORTS.get(scheme)} else f"{shown}:{port}"
    return f"{scheme}://{place}{parts.path.rstrip('/')}"


def kept_token(url: str) -> str:
    """Return the token that is kept for a service; empty where there is none.

    Raises:
        ConfigurationError: The file cannot be read, others may read it, or the token has ended.
    """
    login = _read().get(address_of(url))
    if login is None:
        return ""
    if login.expires_at and datetime.fromisoformat(login.expires_at) <= datetime.now(UTC):
        raise ConfigurationError(
            f"the login at {address_of(url)} ended on {login.expires_at[:10]}",
            next_step=f"run `quilate login --server {address_of(url)}`",
        )
    return login.token


def keep_login(url: str, login: KeptLogin) -> Path:
    """Keep a token and return the file that holds it.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    return _write({**_read(), address_of(url): login})


def forget_login(url: str) -> KeptLogin | None:
    """Forget a service's token and return it; nothing where there was none.

    Raises:
        ConfigurationError: The file cannot be read or written.
    """
    kept = dict(_read())
    login = kept.pop(address_of(url), None)
    if login is not None:
        _write(kept)
    return login


def kept_for() -> str:
    """Return one sentence that says for which services logins are kept; what was refused needed one of them.

    Loopback's names are not taken for each other: on another one of them somebody else's program may listen.
    """
    try:
        kept = sorted(_read())
    except ConfigurationError:
        kept = []
    if not kept:
        return "`quilate login --server URL` keeps a token for the commands here; none is kept yet"
    named = ", ".join(kept[:_MOST_NAMED]) + (", …" if len(kept) > _MOST_NAMED else "")
    return f"`quilate login` has kept tokens for {named}: give --server spelled so, or log in at this one"


def _read() -> Mapping[str, KeptLogin]:
    path = logins_file()
    try:
        with path.open("rb") as stream:
            about = os.fstat(stream.fileno())
            content = stream.read(_LARGEST)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be read: {error.strerror}", next_step="make it readable for you alone"
        ) from error
    if about.st_uid != os.getuid() or about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise ConfigurationError(
            f"others may read or change {path}", next_step=f"`chmod 600 {path}`, and revoke the tokens that it holds"
        )
    try:
        return {str(url): _login(given) for url, given in json.loads(content)["logins"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ConfigurationError(f"{path} is damaged", next_step="remove it and log in again") from error


def _login(given: Any) -> KeptLogin:
    login = KeptLogin(**given)
    if not all(isinstance(value, str) for value in asdict(login).values()):
        raise TypeError
    if login.expires_at and datetime.fromisoformat(login.expires_at).tzinfo is None:
        raise ValueError
    return login


def _write(logins: Mapping[str, KeptLogin]) -> Path:
    path = logins_file()
    content = json.dumps({"logins": {url: asdict(login) for url, login in logins.items()}}, indent=1)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made for its owner alone from the beginning, and in place only when it is whole.
        number, name = tempfile.mkstemp(dir=path.parent, prefix=f".{_FILE}.")
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(f"{content}\n")
        Path(name).replace(path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}", next_step="make its directory writable, or set QUILATE_HOME"
        ) from error
    return path
