"""``quilate connector``: the connectors that there are; connections of a project, tried, looked at, replayed."""

from typing import TYPE_CHECKING, Any

import click

from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from quilate.client import Client

LONGEST_SECRET = 16_384


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


@click.group("connector")
def command() -> None:
    """List the connectors; connect a project with outside systems, see and replay what was delivered."""


@command.command("list", short_help="List the connectors of this installation.")
def list_command() -> None:
    """List every connector with what it does; needs no service."""
    from quilate.connectors.registry import connector_types, load_connector  # noqa: PLC0415 - keeps --help fast

    names = connector_types()
    width = max(map(len, names))
    for name in names:
        try:
            summary = load_connector(name).summary
        except (ImportError, AttributeError) as error:
            # One that is broken hides none of the others.
            summary = f"cannot be loaded: {type(error).__name__}"
        except ConfigurationError as error:
            summary = f"cannot be used: {error.message}"
        click.echo(f"{name:<{width}}  {summary}")


@command.command("show", short_help="Show a connector's settings and secrets.")
@click.argument("connector_type", metavar="TYPE")
def show_command(connector_type: str) -> None:
    """Show what the connector TYPE does, its settings, secrets and events; needs no service."""
    from quilate.connectors.registry import load_connector  # noqa: PLC0415 - keeps --help fast
    from quilate.deliveries.catalog import described_settings  # noqa: PLC0415 - as above

    connector = load_connector(connector_type)
    click.echo(f"{connector.type} ({connector.kind.value}): {connector.summary}")
    schema = described_settings(connector)
    required = schema.get("required", ())
    settings = schema.get("properties", {})
    click.echo("\nSettings:" if settings else "\nSettings: none")
    for name, form in settings.items():
        need = "required" if name in required else f"= {form.get('default')!r}"
        click.echo(f"  {name}: {_form(form)}  {need}")
    click.echo("\nSecrets:" if connector.secrets else "\nSecrets: none")
    for secret in connector.secrets:
        click.echo(f"  {secret.name}: {'required' if secret.required else 'optional'}  {secret.meaning}")
    click.echo(f"\nEvents: {', '.join(sorted(connector.events))}")


@command.command("add", short_help="Connect a project with an outside system.")
@_at_server
@click.argument("connector_type", metavar="TYPE")
@click.option("--name", default="", metavar="NAME", help="What it is called; the connector's name by default.")
@click.option("--setting", "settings", multiple=True, metavar="NAME=VALUE", help="A setting; again for another one.")
@click.option("--secret-file", "files", multiple=True, metavar="NAME=FILE", help="A secret, read from a file.")
@click.option("--secret-env", "variables", multiple=True, metavar="NAME=VARIABLE", help="A secret of the environment.")
@click.option("--event", "events", multiple=True, metavar="TYPE", help="Told of these events only; * at the end.")
def add_command(  # noqa: PLR0913 - one argument per option
    *,
    server: str,
    project: str,
    token_file: str,
    connector_type: str,
    name: str,
    settings: tuple[str, ...],
    files: tuple[str, ...],
    variables: tuple[str, ...],
    events: tuple[str, ...],
) -> None:
    """Make a connection of the connector TYPE; it is told of events from now on.

    Secrets are read from files or variables: what stands on a command line, every user of the machine can read.
    """
    secrets = _secrets(files, variables)
    with _client(server, token_file) as client:
        found = next((each for each in client.connections.types() if each.type == connector_type), None)
        schema = found.settings if found is not None else {}
        made = client.connections.create(
            project,
            name=name or connector_type,
            type=connector_type,
            settings=_settings(settings, schema),
            secrets=secrets,
            events=events,
        )
    click.echo(f"{made.id}  {made.name}")
    click.echo(f"  try it: quilate connector test {made.id} --project {project}", err=True)


@command.command("connections", short_help="List a project's connections.")
@_at_server
def connections_command(*, server: str, project: str, token_file: str) -> None:
    """List a project's connections, the newest first, those that are switched off included."""
    from quilate.app.cli.terminal import harmless  # noqa: PLC0415 - keeps --help fast

    with _client(server, token_file) as client:
        for each in client.connections.list(project):
            state = "on" if each.enabled else f"off  {each.disabled_reason}"
            click.echo(harmless(f"{each.id}  {each.type:<14}  {each.name}  {state}".rstrip()))


@command.command("test", short_help="Try a connection.")
@_at_server
@click.argument("connection")
@click.option("--run", default="", metavar="ID", help="Show what this run's end would send; nothing is sent.")
def test_command(*, server: str, project: str, token_file: str, connection: str, run: str) -> int:
    """Try address and credentials of CONNECTION, an id or a name; ends with 1 where they do not work."""
    from quilate.app.cli.terminal import harmless  # noqa: PLC0415 - keeps --help fast
    from quilate.domain.errors import ExitCode  # noqa: PLC0415 - as above

    with _client(server, token_file) as client:
        number = _connection_id(client, project, connection)
        trial = client.connections.dry_run(project, number, run) if run else client.connections.test(project, number)
    click.echo(harmless(f"{'works' if trial.succeeded else 'does not work'}: {trial.summary}"))
    if trial.next_step:
        click.echo(harmless(f"  {trial.next_step}"))
    for request in trial.requests:
        click.echo(harmless(f"\n{request.method} {request.url}"))
        for header, value in request.headers.items():
            click.echo(harmless(f"{header}: {value}"))
        click.echo(harmless(f"\n{request.body}"))
    return ExitCode.APPROVED if trial.succeeded else ExitCode.REJECTED


@command.command("deliveries", short_help="List deliveries and what became of them.")
@_at_server
@click.option("--state", default=None, metavar="STATE", help="pending, sending, delivered, or dead: the dead letters.")
@click.option("--connection", default="", metavar="CONNECTION", help="Only those to this connection, an id or a name.")
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Deliveries at most.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def deliveries_command(  # noqa: PLR0913 - one argument per option
    *, server: str, project: str, token_file: str, state: str | None, connection: str, limit: int, as_json: bool
) -> None:
    """List a project's deliveries, the newest first."""
    from itertools import islice  # noqa: PLC0415 - keeps --help fast

    import msgspec  # noqa: PLC0415 - as above

    from quilate.app.cli.terminal import harmless  # noqa: PLC0415 - as above

    with _client(server, token_file) as client:
        number = _connection_id(client, project, connection) if connection else None
        for each in islice(client.deliveries.list(project, state=state, connection=number), limit):
            if as_json:
                click.echo(msgspec.json.encode(each).decode())
                continue
            said = each.error or each.summary
            line = f"{each.id}  {each.state:<9}  {each.connection_name}  {each.type}  {each.subject}  {said}"
            click.echo(harmless(line.rstrip()))
            if each.state == "dead" and each.next_step:
                click.echo(harmless(f"  {each.next_step}"))


@command.command("replay", short_help="Try a dead letter again.")
@_at_server
@click.argument("delivery")
def replay_command(*, server: str, project: str, token_file: str, delivery: str) -> None:
    """Have DELIVERY, a dead letter, tried again, with the event id that it always had."""
    with _client(server, token_file) as client:
        replayed = client.deliveries.replay(project, delivery)
    click.echo(f"{replayed.id}  {replayed.state}")


def _connection_id(client: "Client", project: str, named: str) -> str:
    from uuid import UUID  # noqa: PLC0415 - keeps --help fast

    try:
        return str(UUID(named))
    except ValueError:
        pass
    known = {each.name: str(each.id) for each in client.connections.list(project)}
    if named not in known:
        from quilate.domain.nearest import nearest_hint  # noqa: PLC0415 - needed for a mistyped name only

        raise ConfigurationError(
            f"the project has no connection {named!r}{nearest_hint(named, known)}",
            next_step=f"`quilate connector connections --project {project}` lists them",
        )
    return known[named]


def _pairs(given: "Sequence[str]", option: str) -> dict[str, str]:
    import re  # noqa: PLC0415 - keeps --help fast

    pairs = {}
    for text in given:
        match = re.match(r"([a-z][a-z0-9_]*)=(.+)\Z", text, re.DOTALL)
        if match is None:
            # The text is not repeated: it may be a secret in the wrong place. Base64 may end with "=", too.
            raise ConfigurationError(
                f"a value of {option} is not of the form NAME=VALUE",
                next_step="`quilate connector show TYPE` lists the names",
            )
        pairs[match[1]] = match[2]
    return pairs


def _settings(given: "Sequence[str]", schema: "Mapping[str, Any]") -> dict[str, Any]:
    """Return settings as the schema wants them: a text as it stands, anything else as JSON, a list also with commas."""
    properties = schema.get("properties", {})
    return {name: _value(name, text, properties.get(name, {})) for name, text in _pairs(given, "--setting").items()}


def _value(name: str, text: str, form: "Mapping[str, Any]") -> Any:
    import json  # noqa: PLC0415 - keeps --help fast

    kind = form.get("type", "string")
    if kind == "string":
        return text
    if kind == "array" and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except ValueError as error:
        raise ConfigurationError(f"the setting {name!r} is no {kind}", next_step=f"give one: {_form(form)}") from error


def _secrets(files: "Sequence[str]", variables: "Sequence[str]") -> dict[str, str]:
    import os  # noqa: PLC0415 - keeps --help fast
    from pathlib import Path  # noqa: PLC0415 - as above

    secrets = {}
    for name, path in _pairs(files, "--secret-file").items():
        try:
            with Path(path).open(encoding="utf-8") as stream:
                secrets[name] = stream.read(LONGEST_SECRET + 1).rstrip("\r\n")
        except (OSError, ValueError) as error:
            # The path is not repeated: it may be the secret itself.
            raise ConfigurationError(
                f"the file of the secret {name!r} cannot be read", next_step="give a text file that you may read"
            ) from error
    for name, variable in _pairs(variables, "--secret-env").items():
        value = os.environ.get(variable, "")
        if not value:
            raise ConfigurationError(
                f"the variable of the secret {name!r} is not set", next_step="give the name of one that holds it"
            )
        secrets[name] = value
    return secrets


def _form(form: "Mapping[str, Any]") -> str:
    """Return what a value looks like, for people."""
    if "enum" in form:
        return " or ".join(map(str, form["enum"]))
    if "anyOf" in form:
        return " or ".join(_form(each) for each in form["anyOf"])
    if form.get("type") == "array":
        return f"list of {_form(form.get('items', {}))}"
    return str(form.get("type", "any value"))
