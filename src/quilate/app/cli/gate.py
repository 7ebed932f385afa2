"""``quilate gate``: let a service judge what a CI job is about, wait, and end as the gate decides."""

from pathlib import Path

import click

from quilate.app.cli.terminal import current_terminal


@click.command("gate")
@click.argument("path", type=click.Path(), default=".")
@click.option("--server", envvar="QUILATE_SERVER", default="", metavar="URL", help="The service; QUILATE_SERVER.")
@click.option("--project", envvar="QUILATE_PROJECT", default="", metavar="SLUG", help="The project; QUILATE_PROJECT.")
@click.option("--blueprint", default="", help="Published or built-in name, or name@version, instead of the file's.")
@click.option("--upload", is_flag=True, help="Send the files at PATH instead of letting the service clone the commit.")
@click.option("--timeout", default=1800, metavar="SECONDS", type=click.IntRange(1, 86_400), help="Wait this long.")
@click.option("--summary", type=click.Path(dir_okay=False), help="Add the Markdown summary to a file.")
@click.option("--code-quality", type=click.Path(dir_okay=False), help="Write GitLab's code quality report.")
@click.option("--token-file", type=click.Path(dir_okay=False), default="", help="File with an API token.")
def command(  # noqa: PLR0913 - one argument per option
    path: str,
    server: str,
    project: str,
    blueprint: str,
    *,
    upload: bool,
    timeout: int,
    summary: str | None,
    code_quality: str | None,
    token_file: str,
) -> int:
    """Submit, wait, and end with 0 approved, 1 rejected, 3 undecided or late.

    In jobs of GitHub, GitLab and Bitbucket the repository, commit and request are those of the job; elsewhere the files
    at PATH are sent. Without a token (--token-file, QUILATE_TOKEN, `quilate login`) the job proves itself by the
    identity token of its CI, which the project has to trust. The summary of GitHub's job is written by itself.
    """
    from quilate.app.cli.gate_run import GateOptions, judge_by_gate  # noqa: PLC0415 - loads an HTTP client

    options = GateOptions(
        path=Path(path),
        url=server,
        project=project,
        blueprint=blueprint,
        upload=upload,
        timeout_seconds=timeout,
        summary=Path(summary) if summary else None,
        code_quality=Path(code_quality) if code_quality else None,
        token_file=token_file,
    )
    return int(judge_by_gate(options, current_terminal()))
