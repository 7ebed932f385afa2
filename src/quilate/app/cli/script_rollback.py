"""``quilate script rollback``: back to the version that was active before."""

import click

from quilate.app.cli.script_server import at_server, client_of
from quilate.app.cli.terminal import current_terminal


@click.command("rollback")
@at_server()
@click.argument("script")
@click.option("--to", "version", default="", metavar="VERSION", help="Activate this version instead.")
def command(*, server: str, project: str, token_file: str, script: str, version: str) -> None:
    """Let executions use the version of SCRIPT, a name or an id, that was active before."""
    with client_of(server, token_file) as client:
        found = client.scripts.find(project, script)
        if version:
            active = client.scripts.activate(project, found.id, version)
        else:
            active = client.scripts.rollback(project, found.id)
    current_terminal().line(f"{found.name} {active.semver}  {active.state}")
