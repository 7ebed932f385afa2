"""``quilate waiver``: ask for exceptions at a service, decide on those of others, end them."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from quilate.client import Client
    from quilate.client.model import WaiverRequest


def _at_server(function: "Callable[..., Any]") -> "Callable[..., Any]":
    for option in (
        click.option(
            "--token-file",
            type=click.Path(dir_okay=False),
            default="",
            help="File with an API token; else QUILATE_TOKEN, else `quilate login`.",
        ),
        click.option("--project", required=True, envvar="QUILATE_PROJECT", metavar="SLUG", help="The project's slug."),
        click.option("--server", required=True, envvar="QUILATE_SERVER", metavar="URL", help="Address of the service."),
    ):
        function = option(function)
    return function


def _client(server: str, token_file: str) -> "Client":
    from quilate.app.cli.run_remote import Server  # noqa: PLC0415 - keeps --help fast
    from quilate.client import Client  # noqa: PLC0415 - as above

    return Client(server, token=Server(url=server, token_file=token_file).token())


@click.group("waiver")
def command() -> None:
    """Ask for waivers, decide on those of others, end them. A waiver counts once another person has approved it."""


@command.command("request", short_help="Ask for a waiver.")
@_at_server
@click.argument("rule")
@click.option("--reason", required=True, help="Why this is acceptable.")
@click.option(
    "--until", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="YYYY-MM-DD", help="The last day it counts."
)
@click.option("--path", "paths", multiple=True, metavar="GLOB", help="Only there (repeatable); everywhere without.")
@click.option("--check", default="", metavar="CHECK", help="The check that showed the finding, for the reviewer.")
def request_command(  # noqa: PLR0913 - one argument per option
    *,
    server: str,
    project: str,
    token_file: str,
    rule: str,
    reason: str,
    until: Any,
    paths: tuple[str, ...],
    check: str,
) -> None:
    """Ask for a waiver of RULE: a rule id, or the beginning of one followed by *."""
    with _client(server, token_file) as client:
        asked = client.waivers.request(project, rule=rule, reason=reason, until=until.date(), paths=paths, check=check)
    click.echo(_line(asked))
    click.echo("it counts once another person has approved it: quilate waiver approve " + str(asked.id))


@command.command("list", short_help="List waivers.")
@_at_server
@click.option(
    "--state", type=click.Choice(["requested", "approved", "rejected", "revoked", "expired"]), help="Only those."
)
def list_command(*, server: str, project: str, token_file: str, state: str | None) -> None:
    """List a project's waivers, the newest first."""
    with _client(server, token_file) as client:
        found = list(client.waivers.list(project, state))
    for waiver in found:
        click.echo(_line(waiver))
        click.echo(f"    {waiver.reason}")
    if not found:
        click.echo("no waivers")


@command.command("approve", short_help="Approve a waiver of somebody else.")
@_at_server
@click.argument("waiver", type=click.UUID)
@click.option("--comment", default="", help="Kept with the waiver.")
def approve_command(*, server: str, project: str, token_file: str, waiver: Any, comment: str) -> None:
    """Approve WAIVER; nobody approves their own."""
    with _client(server, token_file) as client:
        click.echo(_line(client.waivers.approve(project, waiver, comment)))


@command.command("reject", short_help="Reject a waiver of somebody else.")
@_at_server
@click.argument("waiver", type=click.UUID)
@click.option("--reason", required=True, help="Kept with the waiver.")
def reject_command(*, server: str, project: str, token_file: str, waiver: Any, reason: str) -> None:
    """Reject WAIVER."""
    with _client(server, token_file) as client:
        click.echo(_line(client.waivers.reject(project, waiver, reason)))


@command.command("revoke", short_help="End a waiver, or take a request back.")
@_at_server
@click.argument("waiver", type=click.UUID)
@click.option("--reason", required=True, help="Kept with the waiver.")
def revoke_command(*, server: str, project: str, token_file: str, waiver: Any, reason: str) -> None:
    """End WAIVER: its findings are back in the next decision."""
    with _client(server, token_file) as client:
        click.echo(_line(client.waivers.revoke(project, waiver, reason)))


def _line(waiver: "WaiverRequest") -> str:
    where = f" in {', '.join(waiver.paths)}" if waiver.paths else ""
    decided = f", by {waiver.decided_by}" if waiver.decided_by else ""
    people = f"(asked for by {waiver.owner}{decided})"
    return f"{waiver.id}  {waiver.state:<9}  {waiver.rule}{where}  until {waiver.until}  {people}"
