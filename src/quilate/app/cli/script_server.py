"""What the commands of hosted scripts share: how the service is reached, and which script is meant."""

from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from quilate.client import Client

LOCAL_PROJECT = "default"
"""The project of scripts in the single-user mode."""


def at_server(*, required: bool = True) -> "Callable[[Callable[..., Any]], Callable[..., Any]]":
    """Return a decorator that adds ``--server``, ``--project`` and ``--token-file``."""

    def decorate(function: "Callable[..., Any]") -> "Callable[..., Any]":
        for option in (
            click.option(
                "--token-file",
                type=click.Path(dir_okay=False),
                default="",
                help="File with an API token; else QUILATE_TOKEN, else `quilate login`.",
            ),
            click.option(
                "--project", default=LOCAL_PROJECT, show_default=True, metavar="SLUG", help="The project's slug."
            ),
            click.option(
                "--server", required=required, envvar="QUILATE_SERVER", metavar="URL", help="Address of the service."
            ),
        ):
            function = option(function)
        return function

    return decorate


def client_of(server: str, token_file: str) -> "Client":
    """Return a client of the service."""
    from quilate.app.cli.run_remote import Server  # noqa: PLC0415 - keeps --help fast
    from quilate.client import Client  # noqa: PLC0415 - as above

    return Client(server, token=Server(url=server, token_file=token_file).token())
