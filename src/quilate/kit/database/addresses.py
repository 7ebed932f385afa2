"""The address of a PostgreSQL database: what is taken from it, how it is shown without its password."""

from typing import Any
from urllib.parse import urlsplit

from quilate.domain.errors import ConfigurationError

SCHEMES = ("postgresql", "postgres")


def connection_arguments(url: str) -> dict[str, Any]:
    """Return psycopg's arguments for an address.

    Over the network the server's certificate is verified unless the address says otherwise with ``sslmode``.

    Raises:
        ConfigurationError: It is no PostgreSQL address.
    """
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415 - only the service loads the driver

    if url.partition("://")[0].lower() not in SCHEMES:
        raise ConfigurationError(
            "the database address does not begin with postgresql://",
            next_step="set QUILATE_DATABASE_URL to postgresql://user@host:5432/database",
        )
    try:
        arguments = dict(conninfo_to_dict(url))
    except Exception as error:
        raise ConfigurationError(
            f"the database address {shown_address(url)} cannot be read",
            next_step="write it as postgresql://user@host:5432/database",
        ) from error
    host = str(arguments.get("host") or "")
    if "sslmode" not in arguments and any(_is_over_network(each) for each in host.split(",")):
        arguments["sslmode"] = "verify-full"
        arguments.setdefault("sslrootcert", "system")
    return arguments


def _is_over_network(host: str) -> bool:
    return bool(host) and not host.startswith(("/", "@")) and host not in {"localhost", "127.0.0.1", "::1"}


def shown_address(url: str) -> str:
    """Return an address as it may be printed: without password and parameters.

    Several hosts, as a database that fails over has them, are all shown. Where a password that is not encoded makes
    the parts uncertain, only the scheme is.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return "postgresql://…"
    credentials, _, hosts = parts.netloc.rpartition("@")
    if "@" in parts.path + parts.fragment or (not credentials and "@" in parts.query):
        return f"{parts.scheme}://…"
    user = credentials.partition(":")[0]
    return f"{parts.scheme}://{user}{'@' if user else ''}{hosts}{parts.path}"
