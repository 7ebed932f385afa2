"""``quilate run``: judge one project, or every project below a directory."""

from pathlib import Path

import click

from quilate.app.cli.terminal import Terminal, current_terminal
from quilate.domain.errors import ConfigurationError, ExitCode


@click.command("run")
@click.argument("path", type=click.Path(), default=".")
@click.option("--blueprint", default="", help="Built-in name, file, or https URL with #sha256=… instead of the file's.")
@click.option("--from", "from_stage", default="", metavar="STAGE", help="Begin at this stage; gives no verdict.")
@click.option("--only", multiple=True, metavar="CHECK", help="Run only this check (repeatable); gives no verdict.")
@click.option("--baseline", default="", metavar="REF", help="Only findings new since a git ref, run or file count.")
@click.option("--save-baseline", is_flag=True, help="Accept today's findings as debt: writes quilate-baseline.json.")
@click.option("--json", "output_format", flag_value="json", help="Print the decision and its reasons as JSON.")
@click.option("--sarif", "output_format", flag_value="sarif", help="Print the findings as SARIF 2.1.0.")
@click.option("--junit", "output_format", flag_value="junit", help="Print the checks as JUnit XML.")
@click.option("--output", type=click.Path(dir_okay=False), help="Write that format to a file and print for people.")
@click.option("--no-cache", is_flag=True, help="Run every check again, whatever is known.")
@click.option("--server", default="", metavar="URL", help="Let a Quilate service judge, and follow it from here.")
@click.option("--project", default="", metavar="SLUG", help="The project at that service; by default the file's name.")
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False),
    default="",
    help="File with an API token; else QUILATE_TOKEN, else `quilate login`.",
)
@click.pass_context
def command(  # noqa: PLR0913, PLR0917 - one argument per option
    context: click.Context,
    path: str,
    blueprint: str,
    from_stage: str,
    only: tuple[str, ...],
    baseline: str,
    *,
    save_baseline: bool,
    output_format: str | None,
    output: str | None,
    no_cache: bool,
    server: str,
    project: str,
    token_file: str,
) -> int:
    """Judge the project at PATH: plan its blueprint, run the checks, decide by policy, explain.

    Without quilate.yaml the project's kind is detected (`quilate init` writes down what was detected). With several
    project files below PATH each is judged and the worst exit code counts.
    """
    from quilate.app.cli.run_projects import judge_projects  # noqa: PLC0415 - keeps `quilate --help` fast
    from quilate.runs.session import RunOptions  # noqa: PLC0415 - as above

    if output and not output_format:
        raise ConfigurationError("--output needs a format", next_step="add --json, --sarif or --junit")
    if save_baseline and baseline:
        raise ConfigurationError("--save-baseline and --baseline exclude each other", next_step="give one of them")
    del context
    options = RunOptions(
        blueprint=blueprint,
        only=only,
        from_stage=from_stage,
        baseline=baseline,
        save_baseline=save_baseline,
        use_cache=not no_cache,
    )
    target = Path(output) if output else None
    if target and not target.parent.is_dir():
        raise ConfigurationError(f"{target.parent} is not a directory", next_step="make it, or write elsewhere")
    if not server and (project or token_file):
        raise ConfigurationError(
            "--project and --token-file say where a service finds it", next_step="add --server URL"
        )
    silent = output_format is not None and target is None
    terminal = Terminal(colour=False, live=False) if silent else current_terminal()
    if server:
        from quilate.app.cli.run_remote import Server, judge_remotely  # noqa: PLC0415 - loads an HTTP client

        at = Server(url=server, token_file=token_file, project=project)
        return int(judge_remotely(Path(path), options, at, terminal, output_format, target))
    return int(judge_projects(Path(path), options, terminal, output_format, target) or ExitCode.APPROVED)
