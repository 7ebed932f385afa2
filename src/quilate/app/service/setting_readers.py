"""Readers of settings: each turns the text of a variable into its value, or says what it expects."""

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from quilate.audit.notes import parse_verifier_key
from quilate.checks.variables import is_given
from quilate.kit.database.addresses import SCHEMES
from quilate.scripts.payloads.object_stores import read_rule

QUEUES = ("code", "data", "ml", "security")
ENGINES = ("default", "fast", "strict")
SANDBOX_LEVELS = ("process", "locked", "jailed")
LOG_LEVELS = ("debug", "info", "warning", "error")
_OWN_SECRETS = ("QUILATE_DATABASE_URL", "QUILATE_METRICS_TOKEN")
_VARIABLE_PATTERN = re.compile(r"\A(?:[a-z0-9][a-z0-9-]*:)?[A-Za-z_][A-Za-z0-9_]*(?:_\*)?\Z")


def read_text(value: str) -> str:
    """Return any text as it is."""
    return value


def read_host(value: str) -> str:
    """Return a host name or an IP address, without brackets."""
    if not value or any(sign in value for sign in "/ \t\r\n@"):
        raise ValueError("expects a host name or an IP address")
    return value.strip("[]")


def read_directory(value: str) -> Path:
    """Return a directory, ``~`` followed."""
    if not value or "\0" in value:
        raise ValueError("expects a directory")
    return Path(value).expanduser()


def number_reader(least: int, most: int) -> Callable[[str], int]:
    """Return what reads a whole number from ``least`` to ``most``."""

    def read(value: str) -> int:
        try:
            number = int(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"expects a whole number from {least} to {most}")
        return number

    return read


def seconds_reader(least: float, most: float) -> Callable[[str], float]:
    """Return what reads seconds from ``least`` to ``most``."""

    def read(value: str) -> float:
        try:
            number = float(value)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise ValueError(f"expects seconds from {least:g} to {most:g}")
        return number

    return read


def read_flag(value: str) -> bool:
    """Return whether it says yes."""
    if value.lower() in {"1", "true", "yes"}:
        return True
    if value.lower() in {"0", "false", "no"}:
        return False
    raise ValueError("expects 1 or 0")


def read_names(value: str) -> tuple[str, ...]:
    """Return the names of a list with commas, in lower case."""
    return tuple(dict.fromkeys(name.strip().lower() for name in value.split(",") if name.strip()))


def read_modules(value: str) -> tuple[str, ...]:
    """Return the Python modules of a list with commas."""
    names = tuple(dict.fromkeys(name.strip() for name in value.split(",") if name.strip()))
    if not all(part.isidentifier() for name in names for part in name.split(".")):
        raise ValueError("expects names of Python modules, with commas between them")
    return names


def read_roots(value: str) -> tuple[str, ...]:
    """Return the absolute directories of a list with commas."""
    paths = tuple(dict.fromkeys(path.strip() for path in value.split(",") if path.strip()))
    if not all(path.startswith("/") and "\0" not in path for path in paths):
        raise ValueError("expects absolute directories, with commas between them")
    return paths


def read_queues(value: str) -> tuple[str, ...]:
    """Return the queues of a list with commas.

    Raises:
        ValueError: It names none, or one that does not exist.
    """
    names = read_names(value)
    unknown = [name for name in names if name not in QUEUES]
    if unknown or not names:
        raise ValueError(f"expects some of {', '.join(QUEUES)}, with commas between them")
    return names


def read_engines(value: str) -> tuple[str, ...]:
    """Return the engines of a list with commas.

    Raises:
        ValueError: It names none, or one that does not exist.
    """
    names = read_names(value)
    if not names or not set(names) <= set(ENGINES):
        raise ValueError(f"expects some of {', '.join(ENGINES)}, with commas between them")
    return names


def read_sandbox_level(value: str) -> str:
    """Return a level of isolation."""
    if value.lower() not in SANDBOX_LEVELS:
        raise ValueError(f"expects one of {', '.join(SANDBOX_LEVELS)}")
    return value.lower()


def read_level(value: str) -> str:
    """Return a level of the log."""
    if value.lower() not in LOG_LEVELS:
        raise ValueError(f"expects one of {', '.join(LOG_LEVELS)}")
    return value.lower()


def read_networks(value: str) -> tuple[str, ...]:
    """Return the IP addresses and networks of a list with commas."""
    names = read_names(value)
    for name in names:
        try:
            ipaddress.ip_network(name, strict=False)
        except ValueError as error:
            raise ValueError("expects IP addresses or networks, with commas between them") from error
    return names


def read_keys(value: str) -> tuple[str, ...]:
    """Return the witnesses' keys of a list with commas."""
    keys = tuple(dict.fromkeys(key.strip() for key in value.split(",") if key.strip()))
    for key in keys:
        try:
            parse_verifier_key(key)
        except ValueError as error:
            raise ValueError("expects keys as name+id+base64, with commas between them") from error
    return keys


def read_variables(value: str) -> tuple[str, ...]:
    """Return the variables of a list with commas, see ``quilate.checks.variables``."""
    patterns = tuple(dict.fromkeys(each.strip() for each in value.split(",") if each.strip()))
    if not all(_VARIABLE_PATTERN.match(each) for each in patterns):
        raise ValueError("expects names of variables or PREFIX_*, each alone or as project:NAME, with commas between")
    named = tuple(each.rpartition(":")[2] for each in patterns)
    if any(is_given(own, named) for own in _OWN_SECRETS):
        raise ValueError("expects no pattern that gives away secrets of the service itself")
    return patterns


def read_object_stores(value: str) -> tuple[str, ...]:
    """Return the places of a list with commas, see ``quilate.scripts.payloads.object_stores``."""
    places = tuple(dict.fromkeys(each.strip() for each in value.split(",") if each.strip()))
    for place in places:
        read_rule(place)
    return places


def read_web_address(value: str) -> str:
    """Return an address of a web site, without a slash at its end."""
    try:
        parts = urlsplit(value)
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right or parts.username or parts.query or parts.fragment:
        raise ValueError("expects an address like https://quilate.example.org")
    return value.rstrip("/")


def read_database_address(value: str) -> str:
    """Return the address of a database."""
    if value.partition("://")[0] not in SCHEMES:
        raise ValueError("expects an address like postgresql://user@host:5432/database")
    return value
