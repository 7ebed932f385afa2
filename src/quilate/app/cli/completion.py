"""``quilate completion``: the completion script of a shell."""

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script of SHELL.

    Put the output where the shell looks for completions, for example:
    quilate completion bash > ~/.local/share/bash-completion/completions/quilate
    """
    from quilate.app.cli import cli  # noqa: PLC0415 - the root group imports this module

    completion_class = get_completion_class(shell)
    if completion_class is None:
        raise click.UsageError(f"no completion for {shell!r}")
    click.echo(completion_class(cli, {}, "quilate", "_QUILATE_COMPLETE").source())
