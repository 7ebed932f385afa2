"""``quilate script compose``: keep several scripts as one pipeline."""

import click

from quilate.app.cli.script_server import at_server, client_of
from quilate.app.cli.terminal import current_terminal


@click.command("compose")
@at_server()
@click.argument("name")
@click.argument("steps", nargs=-1, required=True, metavar="SCRIPT[@VERSION]...")
@click.option("--semver", default=None, metavar="VERSION", help="Its number; the patch after the highest otherwise.")
@click.option("--draft", is_flag=True, help="Leave it a draft; otherwise executions use it at once.")
def command(  # noqa: PLR0913 - one argument per option
    *, server: str, project: str, token_file: str, name: str, steps: tuple[str, ...], semver: str | None, draft: bool
) -> None:
    """Make the pipeline NAME of SCRIPTs: each gets the result of the one before it.

    The pipeline is a version like any other: later versions of its steps do not reach it.
    """
    with client_of(server, token_file) as client:
        found = []
        for step in steps:
            script, _, version = step.partition("@")
            found.append((client.scripts.find(project, script).id, version or None))
        fields = {"semver": semver} if semver else {}
        made = client.scripts.compose(project, name, found, activate=not draft, **fields)
    current_terminal().line(f"{name} {made.semver}  {made.state}  {made.digest}")
