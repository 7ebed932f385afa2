"""What a source may cost, and where sources may come from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeLimits:
    """Limits of the files that a source becomes.

    Attributes:
        files: Files, folders and links at most.
        total_bytes: Length of all files together.
        file_bytes: Length of one file.
        ratio: Bytes that one byte of an archive may become, counted once it has become more than 16 MiB.
        path_bytes: Length of a path within the tree.
        depth: Folders within folders.
    """

    files: int = 100_000
    total_bytes: int = 2 << 30
    file_bytes: int = 1 << 30
    ratio: int = 200
    path_bytes: int = 1024
    depth: int = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferLimits:
    """Limits of what git fetches.

    Attributes:
        bytes: Length of one pack.
        seconds: Time for one git command.
        memory_bytes: Resident memory of git and what it starts.
    """

    bytes: int = 1 << 30
    seconds: float = 300.0
    memory_bytes: int = 1 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """User name and password (or token) for one repository."""

    username: str
    password: str = field(repr=False)


CredentialLookup = Callable[[str, str], Credential | None]
"""Returns the credential of a project's slug for an ``https://`` address, if the project has one."""


def no_credentials(project: str, url: str) -> Credential | None:  # noqa: ARG001 - the form of a lookup
    """Return ``None``: repositories are read without a login."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSettings:
    """How this installation gets and keeps the files of runs.

    Attributes:
        root: Directory of this machine for trees and mirrors.
        allowed_local_roots: Directories below which repositories may be cloned by path; ``{project}`` in one stands for
            the slug of the project that asks. None: no repository by path.
        allow_private_networks: Let ``https://`` lead to loopback, link-local and private addresses.
        allowed_hosts: The only hosts that ``https://`` may lead to; empty for any.
        certificate_authorities: File with further certificate authorities for ``https://``, if any.
        cache_bytes: Room for trees and mirrors; the longest unused are deleted beyond it.
        tree: Limits of the files.
        transfer: Limits of what git fetches.
    """

    root: Path
    allowed_local_roots: tuple[str, ...] = ()
    allow_private_networks: bool = False
    allowed_hosts: tuple[str, ...] = ()
    certificate_authorities: Path | None = None
    cache_bytes: int = 20 << 30
    tree: TreeLimits = field(default_factory=TreeLimits)
    transfer: TransferLimits = field(default_factory=TransferLimits)
