"""``quilate api``: the API alone."""

import click


@click.command("api")
@click.option("--host", help="Address to listen on; this machine only by default.")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on, 8080 by default; 0 takes any free one.")
def command(host: str | None, port: int | None) -> int:
    """Run the API alone, for a service on several machines.

    QUILATE_DATABASE_URL names the database that they share, QUILATE_ARTIFACTS the directory. Its logs go to standard
    error.
    """
    import asyncio  # noqa: PLC0415 - keeps `quilate --help` fast

    from quilate.app.cli.terminal import current_terminal  # noqa: PLC0415 - as above
    from quilate.app.service.settings import load_settings  # noqa: PLC0415 - as above
    from quilate.app.service.supervisor import Parts, Supervisor  # noqa: PLC0415 - as above

    settings = load_settings(host=host, port=port)
    parts = Parts(database=False, api=True, workers=0, logs=None)
    return asyncio.run(Supervisor(settings, parts, current_terminal().line).run())
