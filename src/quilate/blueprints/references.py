"""From a blueprint reference to the blueprint: a built-in name, a file, or an https URL pinned by its digest.

A file named by a project must lie inside the project, or inside the git repository that the project is part of. An
absolute path is for the command line: project files may not hold one. What comes over the network is only read once
its digest was verified.
"""

import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from quilate.blueprints.layers import merged_layers, normalised_layer
from quilate.blueprints.model import Blueprint
from quilate.blueprints.parser import MAX_REGO_CHARACTERS, parse_blueprint
from quilate.blueprints.reading import Reader
from quilate.blueprints.yaml_positions import MAX_BYTES, Table, load_yaml, shown
from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.domain.nearest import nearest_hint
from quilate.kit.plugins import BLUEPRINTS, PluginNames

LIBRARY = Path(__file__).parent / "library"
MAX_EXTENDS = 10
_PINNED = re.compile(r"(?P<url>https://[^#\s]+)#sha256=(?P<digest>[0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """One blueprint file: its content, its name in messages, and where its relative references start."""

    content: bytes
    label: str
    identity: str
    directory: Path | None = None
    boundary: Path | None = None


def library_names() -> tuple[str, ...]:
    """Return the names of the blueprints that Quilate brings."""
    return tuple(sorted(path.stem for path in LIBRARY.glob("*.yaml")))


def _owner(name: str) -> str:
    return "Quilate" if name in library_names() else ""


PLUGIN_BLUEPRINTS = PluginNames(
    group=BLUEPRINTS,
    noun="blueprint",
    form="of the form house-rules",
    pattern=r"(?!.*\.ya?ml$)[A-Za-z_][A-Za-z0-9_.-]{0,99}",
    owner=_owner,
)
"""The blueprints that installed plugins bring; they never take a name of the library."""


def builtin_names() -> tuple[str, ...]:
    """Return the names of the blueprints of this installation: the library's and those of installed plugins."""
    return tuple(sorted({*library_names(), *PLUGIN_BLUEPRINTS.usable()}))


def builtin_text(name: str) -> str:
    """Return the YAML of a built-in blueprint, or of one that a plugin brings.

    Raises:
        ConfigurationError: There is none of that name, or it cannot be read; names the nearest.
    """
    if name in library_names():
        return (LIBRARY / f"{name}.yaml").read_text(encoding="utf-8")
    found, quarrel = PLUGIN_BLUEPRINTS.usable().get(name), PLUGIN_BLUEPRINTS.quarrel(name)
    if found is None:
        names = builtin_names()
        if quarrel is not None:
            raise ConfigurationError(quarrel.reason, next_step="remove all of them but one")
        raise ConfigurationError(
            f"there is no built-in blueprint {shown(name)!r}{nearest_hint(name[:100], names)}",
            next_step=f"built in: {', '.join(names)}",
        )
    from quilate.blueprints.plugins import plugin_blueprint_text  # noqa: PLC0415 - only where plugins are

    return plugin_blueprint_text(found)


def command_line_reference(reference: str) -> str:
    """Return a reference given on the command line: the path of a file is taken from the current directory."""
    return str(Path(reference).absolute()) if _is_path(reference) else reference


def load_blueprint(reference: str, root: Path) -> Blueprint:
    """Return the blueprint that ``reference`` names for the project at ``root``.

    Raises:
        ConfigurationError: It cannot be found, read or verified, or one thing in it is wrong.
        ConfigurationErrors: Several things in it are.
    """
    return _blueprint_of(_resolve(reference, root, None), root, reference)


def parse_blueprint_text(content: bytes, label: str, root: Path) -> Blueprint:
    """Return the blueprint that ``content`` holds; ``label`` names it in messages, relative references start at root.

    Raises:
        ConfigurationError: One thing in it is wrong.
        ConfigurationErrors: Several things are.
    """
    directory = root.resolve()
    document = _Document(
        content=content, label=label, identity=label, directory=directory, boundary=boundary_of(directory)
    )
    return _blueprint_of(document, root, label)


def _blueprint_of(document: _Document, root: Path, reference: str) -> Blueprint:
    reader = Reader()
    top = _merged(document, root, reader, ())
    return parse_blueprint(top, reader, reference)


def _merged(document: _Document, root: Path, reader: Reader, chain: tuple[_Document, ...]) -> Table:
    top = load_yaml(document.content, document.label)
    layer = normalised_layer(top, reader, _rego_reader(document, reader))
    extends = reader.located_text(top, "extends")
    if extends is None:
        return layer
    position = top.entries["extends"].position
    chain = (*chain, document)
    try:
        parent = _parent(extends.text, root, chain)
    except ConfigurationError as error:
        error.position = error.position or position
        raise
    return merged_layers(_merged(parent, root, reader, chain), layer)


def _parent(reference: str, root: Path, chain: tuple[_Document, ...]) -> _Document:
    parent = _resolve(reference, root, chain[-1])
    if parent.identity in {each.identity for each in chain}:
        names = " → ".join([*(each.label for each in chain), parent.label])
        raise ConfigurationError(f"blueprints extend each other: {names}")
    if len(chain) > MAX_EXTENDS:
        raise ConfigurationError(f"more than {MAX_EXTENDS} blueprints extend each other")
    return parent


def _is_path(reference: str) -> bool:
    return "://" not in reference and (os.sep in reference or "/" in reference or reference.endswith((".yaml", ".yml")))


def _resolve(reference: str, root: Path, child: _Document | None) -> _Document:
    if not reference.strip():
        raise ConfigurationError("the blueprint reference is empty", next_step=_reference_help())
    if "://" in reference:
        return _pinned(reference, root)
    if _is_path(reference):
        return _file(reference, root, child)
    content = builtin_text(reference).encode()
    origin = "built-in" if reference in library_names() else PLUGIN_BLUEPRINTS.usable()[reference].distribution
    return _Document(content=content, label=f"{reference} ({origin})", identity=f"builtin:{reference}")


def _reference_help() -> str:
    return f"name a built-in one ({', '.join(builtin_names())}), a file, or https://…#sha256=…"


def _file(reference: str, root: Path, child: _Document | None) -> _Document:
    if child is None:
        base = Path(os.path.realpath(root))
        boundary = None if Path(reference).is_absolute() else boundary_of(base)
    elif child.directory is None:
        raise ConfigurationError(
            f"{child.label} cannot name the file {shown(reference)!r}", next_step="only a file can name another file"
        )
    else:
        base, boundary = child.directory, child.boundary
    path = path_inside(reference, base, boundary)
    content = read_limited(path, MAX_BYTES, f"the blueprint {shown(reference)!r}")
    label = reference if child is None else os.path.relpath(path, Path(os.path.realpath(root)))
    return _Document(
        content=content,
        label=label,
        identity=str(path),
        directory=path.parent,
        boundary=boundary or boundary_of(path.parent),
    )


def boundary_of(directory: Path) -> Path:
    """Return the git repository that ``directory`` is part of, or the directory itself."""
    return next((parent for parent in (directory, *directory.parents) if (parent / ".git").exists()), directory)


def path_inside(reference: str, base: Path, boundary: Path | None) -> Path:
    """Return the resolved path of a reference.

    Raises:
        ConfigurationError: It leads out of ``boundary``, or cannot be a path.
    """
    try:
        path = Path(os.path.realpath(base / reference))
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"{shown(reference)!r} is no path") from error
    if boundary is not None and not path.is_relative_to(boundary):
        raise ConfigurationError(
            f"{shown(reference)!r} leads out of the project",
            next_step="keep the file inside the project's repository, or pin it as https://…#sha256=…",
        )
    return path


def read_limited(path: Path, limit: int, what: str) -> bytes:
    """Return a regular file's content.

    Raises:
        ConfigurationError: It is not there, cannot be read, or is larger than ``limit`` bytes.
    """
    try:
        if not path.is_file():
            state = "is not a file" if path.exists() else "does not exist"
            raise ConfigurationError(f"{what} {state}", next_step=_reference_help())
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{what} cannot be read: {error.strerror}", next_step="make it readable for the user who runs this"
        ) from error
    if len(content) > limit:
        raise ConfigurationError(f"{what} has more than {limit >> 10} KiB", next_step="make it smaller, or split it")
    return content


def _pinned(reference: str, root: Path) -> _Document:
    from quilate.blueprints.pinned import pinned_content  # noqa: PLC0415 - urllib costs 30 ms, few references need it

    match = _PINNED.match(reference)
    if match is None:
        scheme = "" if reference.startswith("https://") else " and begins with https://"
        raise ConfigurationError(
            f"{shown(reference)!r} is not pinned: it must end in #sha256= and 64 hexadecimal digits{scheme}",
            next_step="download it, read it, and append the output of `sha256sum`",
        )
    content = pinned_content(match["url"], match["digest"], root)
    return _Document(content=content, label=match["url"], identity=f"sha256:{match['digest']}")


def _rego_reader(document: _Document, reader: Reader) -> Callable[[str, SourcePosition], str]:
    def read(name: str, position: SourcePosition) -> str:
        try:
            return _rego_text(document, name)
        except ConfigurationError as error:
            reader.adopt(error, position)
        return ""

    return read


def _rego_text(document: _Document, name: str) -> str:
    if document.directory is None:
        raise ConfigurationError(
            f"{document.label} cannot name the file {shown(name)!r}", next_step="write the module under `rule: |`"
        )
    path = path_inside(name, document.directory, document.boundary)
    content = read_limited(path, MAX_REGO_CHARACTERS, f"the Rego file {shown(name)!r}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigurationError(f"the Rego file {shown(name)!r} is not UTF-8") from error
