"""``quilate script push``: keep a file as a new version of a script at a service."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from quilate.app.cli.script_server import at_server, client_of
from quilate.app.cli.terminal import current_terminal
from quilate.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from quilate.client import Client
    from quilate.client.scripts import Script, ScriptVersion


@click.command("push")
@at_server()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", metavar="NAME", help="The script's name; the file's without its end otherwise.")
@click.option("--description", default="", metavar="TEXT", help="For people, where the script is new.")
@click.option("--semver", default=None, metavar="VERSION", help="Its number; the patch after the highest otherwise.")
@click.option("--mode", type=click.Choice(["whole", "chunk", "group"]), default="whole", show_default=True)
@click.option(
    "--size", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Records of a chunk."
)
@click.option("--key", default="", metavar="FIELD,FIELD", help="Fields that make a group.")
@click.option("--combine", is_flag=True, help="The script defines combine(partials) too.")
@click.option("--engine", type=click.Choice(["default", "fast", "strict"]), default="default", show_default=True)
@click.option("--deterministic", is_flag=True, help="Seeded Math.random, a clock that stands still.")
@click.option("--input-schema", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON Schema.")
@click.option("--output-schema", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="JSON Schema.")
@click.option("--allow-breaking", is_flag=True, help="The input schema may break with the version before.")
@click.option("--draft", is_flag=True, help="Leave it a draft; otherwise executions use it at once.")
def command(  # noqa: PLR0913 - one argument per option
    *, server: str, project: str, token_file: str, file: Path, name: str, description: str, draft: bool, **fields: Any
) -> None:
    """Push FILE as a new version; without --draft it is active at once."""
    source = _text(file)
    with client_of(server, token_file) as client:
        script = _script(client, project, name or file.stem, description)
        version = client.scripts.push(project, script.id, source, **_body(fields, activate=not draft))
    _show(script, version)


def _body(fields: dict[str, Any], *, activate: bool) -> dict[str, Any]:
    key = [part.strip() for part in fields["key"].split(",") if part.strip()]
    body: dict[str, Any] = {
        "shape": {"mode": fields["mode"], "size": fields["size"], "key": key, "combine": fields["combine"]},
        "engine": fields["engine"],
        "deterministic": fields["deterministic"],
        "allow_breaking": fields["allow_breaking"],
        "activate": activate,
    }
    if fields["semver"]:
        body["semver"] = fields["semver"]
    for name in ("input_schema", "output_schema"):
        if fields[name] is not None:
            body[name] = _schema(fields[name])
    return body


def _script(client: "Client", project: str, name: str, description: str) -> "Script":
    from quilate.client import NotFoundError  # noqa: PLC0415 - keeps --help fast

    try:
        return client.scripts.find(project, name)
    except NotFoundError:
        return client.scripts.create(project, name, description=description)


def _show(script: "Script", version: "ScriptVersion") -> None:
    terminal = current_terminal()
    for warning in version.warnings:
        terminal.line(f"! {warning.rule} line {warning.line}, column {warning.column}: {warning.message}")
        if warning.fix:
            terminal.line(f"  {warning.fix}")
    terminal.line(f"{script.name} {version.semver}  {version.state}  {version.digest}")
    if version.privileged and version.state == "draft":
        terminal.line("It asks for more than the defaults: somebody else has to review it before it is active.")


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file} cannot be read as UTF-8: {error}", next_step="name another file") from error


def _schema(file: Path) -> Any:
    try:
        return json.loads(_text(file))
    except ValueError as error:
        raise ConfigurationError(f"{file} is no JSON: {error}", next_step="write a JSON Schema into it") from error
