"""``quilate login``: keep a service's API token here, for the commands that speak to it."""

from typing import TYPE_CHECKING

import click

from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from quilate.app.cli.logins import KeptLogin
    from quilate.client.model import Me

_SCOPES = (
    *("project:read", "evidence:read", "run:submit", "waiver:request", "dataset:write"),
    *("script:edit", "script:execute", "dead-letter:replay"),
)
_LONGEST_NAME = 100
_PATIENCE_SECONDS = 5.0


@click.command("login")
@click.option("--server", required=True, envvar="QUILATE_SERVER", metavar="URL", help="The service; QUILATE_SERVER.")
@click.option("--email", default="", help="Log in by password, and let the service make a token for this machine.")
@click.option("--days", default=30, type=click.IntRange(1, 365), help="With --email: how long that token is good.")
@click.option("--scope", "scopes", multiple=True, help="With --email: what it is limited to (repeatable).")
def command(*, server: str, email: str, days: int, scopes: tuple[str, ...]) -> None:
    """Keep an API token for the service, which every command with --server then uses.

    Asks for the token, or with --email for the password, which is kept nowhere. Both are read from standard input where
    that is no terminal. QUILATE_TOKEN and --token-file go before what is kept.
    """
    from quilate.app.cli.logins import address_of, keep_login  # noqa: PLC0415 - keeps --help fast

    login = _by_password(server, email, days, scopes) if email else _by_token(server)
    path = keep_login(server, login)
    until = f" until {login.expires_at[:10]}" if login.expires_at else ""
    click.echo(f"logged in at {address_of(server)} as {login.actor}{until}; the token is in {path}")


def _by_token(server: str) -> "KeptLogin":
    """Return a login by a token that somebody made at the service, which takes it."""
    from quilate.app.cli.logins import KeptLogin  # noqa: PLC0415 - as above
    from quilate.client import Client  # noqa: PLC0415 - as above
    from quilate.client.transport import check_address  # noqa: PLC0415 - as above

    check_address(server, has_token=True)
    token = _asked("API token")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError("that is no API token", next_step="make one at the service, and paste it alone")
    with Client(server, token=token, patience_seconds=_PATIENCE_SECONDS) as client:
        return KeptLogin(token=token, actor=client.me().actor)


def _by_password(server: str, email: str, days: int, scopes: tuple[str, ...]) -> "KeptLogin":
    """Return a login by a token that the service makes for this machine; the login that made it ends at once."""
    import socket  # noqa: PLC0415 - as above

    from quilate.app.cli.logins import KeptLogin  # noqa: PLC0415 - as above
    from quilate.client import Client  # noqa: PLC0415 - as above
    from quilate.client.transport import check_address  # noqa: PLC0415 - as above

    check_address(server, has_token=True)
    password = _asked("Password")
    with Client(server, patience_seconds=_PATIENCE_SECONDS) as client:
        client.login(email, password)
        try:
            me = client.me()
            name = f"quilate login on {socket.gethostname()}"[:_LONGEST_NAME]
            made = client.create_token(name, scopes or _possible_scopes(me), days)
        finally:
            client.logout()
    return KeptLogin(token=made.token, actor=me.actor, expires_at=made.expires_at.isoformat())


def _possible_scopes(me: "Me") -> tuple[str, ...]:
    """Return those of the usual scopes that the person has anywhere; the service makes no token with another one.

    Raises:
        ConfigurationError: They have none yet.
    """
    from quilate.accounts.model import PERMISSIONS_OF_AUDITOR, PERMISSIONS_OF_ROLE  # noqa: PLC0415 - as above

    if me.instance_admin:
        return _SCOPES
    of_role = {role.value: permissions for role, permissions in PERMISSIONS_OF_ROLE.items()}
    granted = frozenset().union(*(of_role.get(role, frozenset()) for role in me.roles.values()))
    granted |= PERMISSIONS_OF_AUDITOR if me.auditor else frozenset()
    possible = tuple(scope for scope in _SCOPES if scope in granted)
    if not possible:
        raise ConfigurationError(
            "you are a member of no project yet, and a token would be good for nothing",
            next_step="ask the administrator of a project to add you, then log in again",
        )
    if len(possible) < len(_SCOPES):
        click.echo(f"  the token is limited to what you may do now: {', '.join(possible)}", err=True)
        click.echo("  log in again once you may do more", err=True)
    return possible


def _asked(what: str) -> str:
    """Return what somebody typed unseen, or the first line of standard input.

    Raises:
        ConfigurationError: There is none.
    """
    import sys  # noqa: PLC0415 - as above

    terminal = sys.stdin is not None and sys.stdin.isatty()
    given = (
        click.prompt(what, hide_input=True, err=True) if terminal else (sys.stdin.readline(8192) if sys.stdin else "")
    )
    if not given.strip():
        raise ConfigurationError(f"no {what[0].lower()}{what[1:]} was given", next_step="type it, or pipe it in")
    # A password may begin or end with a space.
    return str(given).rstrip("\r\n") if what == "Password" else str(given).strip()
