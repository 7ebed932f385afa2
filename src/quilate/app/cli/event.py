"""``quilate event``: send events to a service, see what became of them, have them worked off again."""

from typing import TYPE_CHECKING, Any

import click

from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from quilate.client import Client


def _at_server(function: "Callable[..., Any]") -> "Callable[..., Any]":
    for option in (
        click.option(
            "--token-file",
            type=click.Path(dir_okay=False),
            default="",
            help="File with an API token; else QUILATE_TOKEN, else `quilate login`.",
        ),
        click.option("--project", required=True, metavar="SLUG", help="The project's slug."),
        click.option("--server", required=True, envvar="QUILATE_SERVER", metavar="URL", help="Address of the service."),
    ):
        function = option(function)
    return function


def _client(server: str, token_file: str) -> "Client":
    from quilate.app.cli.run_remote import Server  # noqa: PLC0415 - keeps --help fast
    from quilate.client import Client  # noqa: PLC0415 - as above

    return Client(server, token=Server(url=server, token_file=token_file).token())


@click.group("event")
def command() -> None:
    """Send, list and replay the events that begin runs."""


@command.command("send", short_help="Send a CloudEvent.")
@_at_server
@click.option("--type", "event_type", required=True, metavar="TYPE", help="For example dev.quilate.key.rotated.")
@click.option("--source", default="quilate-cli", show_default=True, metavar="URI", help="Where it happened.")
@click.option("--id", "event_id", default="", metavar="ID", help="Unique within the source; sent twice it counts once.")
@click.option("--subject", default="", metavar="TEXT", help="What it is about.")
@click.option("--data", default="", metavar="JSON", help="An object; branch and commit choose what is judged.")
def send_command(  # noqa: PLR0913 - one argument per option
    *, server: str, project: str, token_file: str, event_type: str, source: str, event_id: str, subject: str, data: str
) -> None:
    """Send one CloudEvent to a project; the project's trigger rules say what it begins."""
    import json  # noqa: PLC0415 - keeps --help fast

    try:
        told = json.loads(data) if data else None
    except ValueError as error:
        raise ConfigurationError(
            "--data is no JSON", next_step='give an object, for example {"branch": "main"}'
        ) from error
    if told is not None and not isinstance(told, dict):
        raise ConfigurationError("--data is no object", next_step='give one, for example {"branch": "main"}')
    with _client(server, token_file) as client:
        accepted = client.events.send(project, type=event_type, source=source, id=event_id, subject=subject, data=told)
    click.echo(f"{accepted.id}  {'known already' if accepted.duplicate else 'accepted'}")


@command.command("list", short_help="List events and what became of them.")
@_at_server
@click.option(
    "--state", default=None, metavar="STATE", help="pending, matched, unmatched, refused, superseded, failed."
)
@click.option("--kind", default=None, metavar="KIND", help="push, pull_request, tag, model_version, …")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Events at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_command(  # noqa: PLR0913 - one argument per option
    *, server: str, project: str, token_file: str, state: str | None, kind: str | None, limit: int, as_json: bool
) -> None:
    """List a project's events, the newest first."""
    from itertools import islice  # noqa: PLC0415 - keeps --help fast

    import msgspec  # noqa: PLC0415 - as above

    from quilate.app.cli.terminal import harmless  # noqa: PLC0415 - as above

    with _client(server, token_file) as client:
        for event in islice(client.events.list(project, state=state, kind=kind), limit):
            if as_json:
                click.echo(msgspec.json.encode(event).decode())
                continue
            what = event.repository or event.subject or event.type
            place = event.tag or event.branch or event.version
            result = f"run {event.run}" if event.run else event.reason
            line = f"{event.id}  {event.state:<10}  {event.kind:<15}  {what} {place}  {result}"
            click.echo(harmless(line.rstrip()))


@command.command("replay", short_help="Work an event off again.")
@_at_server
@click.argument("event")
def replay_command(*, server: str, project: str, token_file: str, event: str) -> None:
    """Have EVENT worked off again, by the trigger rules as they are now."""
    with _client(server, token_file) as client:
        replayed = client.events.replay(project, event)
    click.echo(f"{replayed.id}  {replayed.state}")
