"""``quilate worker``: workers alone."""

import click

_SCRIPTS = "scripts"


@click.command("worker")
@click.option("--queues", help="Queues to serve, with commas: code,data,ml,security,scripts. All by default.")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes; one for each core, at most 4.")
def command(queues: str | None, workers: int | None) -> int:
    """Run workers alone, for a service on several machines.

    `--queues scripts` runs the sandboxes of hosted scripts and nothing else; QUILATE_SCRIPT_WORKERS says how many.
    QUILATE_DATABASE_URL names the database that they share, QUILATE_ARTIFACTS the directory. Their logs go to standard
    error.
    """
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.setting_readers import read_queues  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.app.service.supervisor import Parts, Supervisor  # noqa: PLC0415 - as above

    names = [name.strip() for name in queues.split(",")] if queues is not None else None
    others = [name for name in names if name != _SCRIPTS] if names is not None else None
    try:
        chosen = read_queues(",".join(others)) if others else None
    except ValueError as error:
        raise click.UsageError(f"--queues {error}; {_SCRIPTS} is one of them here") from error
    settings = load_settings(queues=chosen, workers=workers)
    scripts = settings.script_workers > 0 if names is None else _SCRIPTS in names
    count = 0 if others == [] else settings.workers
    parts = Parts(database=False, api=False, workers=count, logs=None, scripts=scripts)
    return asyncio.run(Supervisor(settings, parts, current_terminal().line).run())
