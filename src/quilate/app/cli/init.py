"""``quilate init``: detect what a repository holds and write ``quilate.yaml``."""

from pathlib import Path

import click

from quilate.domain.errors import ConfigurationError


@click.command("init")
@click.argument("path", type=click.Path(), default=".")
@click.option("--force", is_flag=True, help="Overwrite a quilate.yaml that is there.")
@click.option("--print", "only_print", is_flag=True, help="Print the file instead of writing it.")
def command(path: str, *, force: bool, only_print: bool) -> None:
    """Detect what PATH holds and write a quilate.yaml to start from."""
    from quilate.blueprints.detection import (  # noqa: PLC0415 - keeps --help fast
        choose,
        describe,
        detect,
        has_gaps,
        project_text,
    )
    from quilate.blueprints.project_file import FILE_NAME  # noqa: PLC0415 - as above

    root = Path(path)
    if not root.is_dir():
        raise ConfigurationError(f"{path} is not a directory", next_step="give the directory of a project")
    detection = detect(root)
    text = project_text(detection)
    if only_print:
        click.echo(text, nl=False)
        return
    target = root / FILE_NAME
    _write(target, text, force=force)
    click.echo(f"{target} written. Found:")
    for line in describe(detection):
        click.echo(f"  {line}")
    choice = choose(detection)
    click.echo(f"blueprint {choice.blueprint}: {choice.reason}")
    bind = ", bind what is marked there" if has_gaps(detection) else ""
    click.echo(f"next: read it{bind}, then `quilate plan` and `quilate run`")


def _write(target: Path, text: str, *, force: bool) -> None:
    """Write the file; a link is never followed, so that nothing outside of the project is overwritten."""
    if target.is_symlink():
        raise ConfigurationError(f"{target} is a symbolic link", next_step="remove it first")
    try:
        with target.open("w" if force else "x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise ConfigurationError(
            f"{target} is there already", next_step="`quilate init --force` overwrites it, `--print` only shows"
        ) from error
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
