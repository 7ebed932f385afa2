"""``quilate worker``: workers alone."""

import click


@click.command("worker")
@click.option("--queues", help="Queues to serve, with commas: code,data,ml,security. All by default.")
@click.option("--workers", type=click.IntRange(1, 64), help="Worker processes; one for each core, at most 4.")
def command(queues: str | None, workers: int | None) -> int:
    """Run workers alone, for a service on several machines.

    QUILATE_DATABASE_URL names the database that they share, QUILATE_ARTIFACTS the directory. Their logs go to standard
    error.
    """
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.setting_readers import read_queues  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.app.service.supervisor import Parts, Supervisor  # noqa: PLC0415 - as above

    try:
        chosen = read_queues(queues) if queues is not None else None
    except ValueError as error:
        raise click.UsageError(f"--queues {error}") from error
    settings = load_settings(queues=chosen, workers=workers)
    parts = Parts(database=False, api=False, workers=settings.workers, logs=None)
    return asyncio.run(Supervisor(settings, parts, current_terminal().line).run())
