"""``quilate keys``: make, show and export the signing key of this machine."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from quilate.seals.keys import VerificationKey


@click.group("keys")
def command() -> None:
    """Make, show and export this machine's signing key.

    Runs seal their decisions with it. Whoever is to believe such a seal needs the exported public key and has to
    allow local seals by name; the service signs with a key of its own.
    """


@command.command("init")
def init() -> int:
    """Make a key pair; refuses to replace one."""
    from quilate.seals.keys import PRIVATE_FILE, PUBLIC_FILE, create_key, keys_directory  # noqa: PLC0415 - fast --help

    key = create_key()
    click.echo(f"made {key.key_id}")
    click.echo(f"  private: {keys_directory() / PRIVATE_FILE} (only you may read it; it is not needed to verify)")
    click.echo(f"  public:  {keys_directory() / PUBLIC_FILE}")
    return 0


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(*, as_json: bool) -> int:
    """Show the id and the files of the signing key."""
    import json  # noqa: PLC0415 - as above

    from quilate.seals.keys import PRIVATE_FILE, PUBLIC_FILE, keys_directory  # noqa: PLC0415 - as above

    public, directory = _public_key(), keys_directory()
    if as_json:
        document = {
            "key_id": public.key_id,
            "private": str(directory / PRIVATE_FILE),
            "public": str(directory / PUBLIC_FILE),
        }
        click.echo(json.dumps(document, indent=2))
        return 0
    click.echo(public.key_id)
    click.echo(f"  private: {directory / PRIVATE_FILE}")
    click.echo(f"  public:  {directory / PUBLIC_FILE}")
    return 0


@command.command("export")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write it there, not to the screen.")
def export(output: Path | None) -> int:
    """Print the public key as PEM, for `quilate verify --key`."""
    from quilate.domain.errors import ConfigurationError  # noqa: PLC0415 - as above

    pem = _public_key().pem()
    if output is None:
        click.echo(pem.decode("ascii"), nl=False)
        return 0
    try:
        output.write_bytes(pem)
    except OSError as error:
        raise ConfigurationError(
            f"cannot write {output}: {error.strerror}", next_step="give a place that can be written"
        ) from error
    return 0


def _public_key() -> "VerificationKey":
    """Return the public half of the private key, so that a public file that was replaced is never handed out.

    Raises:
        ConfigurationError: There is no key, or others may read it.
    """
    from quilate.domain.errors import ConfigurationError  # noqa: PLC0415 - as above
    from quilate.seals.keys import PRIVATE_FILE, keys_directory, load_signing_key  # noqa: PLC0415 - as above

    path = keys_directory() / PRIVATE_FILE
    if not path.exists():
        raise ConfigurationError(f"there is no signing key in {path.parent}", next_step="make one: quilate keys init")
    return load_signing_key(path).verification_key(local=True)
