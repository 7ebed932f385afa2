"""``quilate script list``: the scripts of a project, or the versions of one."""

import click

from quilate.app.cli.script_server import at_server, client_of
from quilate.app.cli.terminal import current_terminal


@click.command("list")
@at_server()
@click.argument("script", default="", metavar="[SCRIPT]")
def command(*, server: str, project: str, token_file: str, script: str) -> None:
    """List the scripts of a project; with SCRIPT, a name or an id, its versions, the newest first."""
    terminal = current_terminal()
    with client_of(server, token_file) as client:
        if not script:
            rows = [(each.name, each.active_semver or "-", str(each.id)) for each in client.scripts.list(project)]
        else:
            found = client.scripts.find(project, script)
            rows = [
                (each.semver, "quarantined" if each.quarantined else each.state, each.digest)
                for each in client.scripts.versions(project, found.id)
            ]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(2)]
    for first, second, third in rows:
        terminal.line(f"{first:<{widths[0]}}  {second:<{widths[1]}}  {third}")
