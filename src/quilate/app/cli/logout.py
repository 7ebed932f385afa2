"""``quilate logout``: forget the token of a service."""

import click


@click.command("logout")
@click.option("--server", required=True, envvar="QUILATE_SERVER", metavar="URL", help="The service; QUILATE_SERVER.")
def command(*, server: str) -> None:
    """Forget the token that `quilate login` keeps for the service; there it is good until it is revoked or ends."""
    from quilate.app.cli.logins import address_of, forget_login  # noqa: PLC0415 - keeps --help fast

    forgotten = forget_login(server)
    if forgotten is None:
        click.echo(f"there was no login at {address_of(server)}")
        return
    click.echo(f"forgot the token of {forgotten.actor} at {address_of(server)}; revoke it there, or it ends by itself")
