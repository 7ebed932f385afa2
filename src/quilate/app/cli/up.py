"""``quilate up``: the whole service on this machine."""

from pathlib import Path

import click


@click.command("up")
@click.option("--host", help="Address to listen on; this machine only by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 8080 by default; 0 takes any free one.")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), help="Directory of all data: ./.quilate.")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes; one for each core, at most 4.")
@click.option("--local", is_flag=True, help="Single-user mode: this machine only, no login.")
@click.option("--log-to-stderr", is_flag=True, help="Print the processes' logs, not into files of the state directory.")
def command(  # noqa: PLR0913 - one parameter for each option
    host: str | None, port: int | None, state: Path | None, workers: int | None, *, local: bool, log_to_stderr: bool
) -> int:
    """Start the service: database, API, workers, scheduler; Ctrl+C stops all of it.

    PostgreSQL is started with it, in the state directory, unless QUILATE_DATABASE_URL names another. The first start
    prints a link by which the first administrator sets a password. All settings: docs/settings.md.
    """
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.app.service.supervisor import Parts, Supervisor  # noqa: PLC0415 - as above

    settings = load_settings(host=host, port=port, state=state, workers=workers, local=local or None)
    logs = None if log_to_stderr else settings.log_directory
    scripts = settings.script_workers > 0
    parts = Parts(database=True, api=True, workers=settings.workers, logs=logs, scripts=scripts)
    return asyncio.run(Supervisor(settings, parts, current_terminal().line).run())
