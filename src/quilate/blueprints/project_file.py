"""``quilate.yaml``: read it, or detect what it would say, and find the projects below a directory."""

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path, PurePosixPath

from quilate.blueprints.listing import listed_files
from quilate.blueprints.model import ProjectFile
from quilate.blueprints.reading import Reader, places, present
from quilate.blueprints.references import boundary_of, path_inside
from quilate.blueprints.yaml_positions import MAX_BYTES, Table, load_yaml, plain, shown
from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition
from quilate.policy.model import Waiver

FILE_NAME = "quilate.yaml"
KEYS = (
    "version",
    "project",
    "type",
    "blueprint",
    "bindings",
    "interpreter",
    "exclude",
    "waivers",
    "protected_branch",
    "projects",
    "tickets",
    "secrets",
)
FORMAT_VERSION = 1

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,199}\Z")
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}\Z")


def find_projects(path: Path) -> tuple[Path, ...]:
    """Return the directories of the projects at or below ``path``, in the order of their names.

    A directory with a ``quilate.yaml`` is a project (unless that file only lists ``projects``), and so are the
    sub-directories that it lists. Without one, every ``quilate.yaml`` below counts; where there is none at all the
    directory itself is the project, and its kind is detected.

    Raises:
        ConfigurationError: A project file cannot be read, or lists something that is no project.
    """
    if is_project(path):
        return tuple(dict.fromkeys(_listed_projects(path, ())))
    nested = [PurePosixPath(name).parent for name in listed_files(path) if PurePosixPath(name).name == FILE_NAME]
    # Git lists a file that was removed and not yet committed.
    return tuple(path / parent for parent in sorted(nested) if is_project(path / parent)) or (path,)


def _listed_projects(root: Path, above: tuple[Path, ...]) -> list[Path]:
    top = _read(root)
    reader = Reader()
    names = _sub_projects(top, root, reader)
    reader.finish()
    found = [] if names and present(top, "blueprint") is None else [root]
    for name in names:
        directory = root / name
        resolved = Path(os.path.realpath(directory))
        if not (directory / FILE_NAME).is_file():
            raise ConfigurationError(
                f"{shown(name)!r} has no {FILE_NAME}",
                next_step=f"write one with `quilate init {name}`",
                position=top.entries["projects"].position,
            )
        if resolved not in above:
            found += _listed_projects(directory, (*above, Path(os.path.realpath(root)), resolved))
    return found


def load_project(root: Path) -> ProjectFile:
    """Return the project at ``root``: its ``quilate.yaml``, or what is detected where there is none.

    Raises:
        ConfigurationError: The file cannot be read, or one thing in it is wrong.
        ConfigurationErrors: Several things are.
    """
    if is_project(root):
        return parse_project(_read(root), root)
    from quilate.blueprints.detection import detect_project  # noqa: PLC0415 - few runs need it

    return detect_project(root)


def is_project(root: Path) -> bool:
    """Tell whether something of the project file's name is there; a link that leads nowhere counts, to be an error."""
    return os.path.lexists(root / FILE_NAME)


def _read(root: Path) -> Table:
    file = root / FILE_NAME
    if not file.is_file():
        state = "is a link that leads nowhere" if file.is_symlink() and not file.exists() else "is not a file"
        raise ConfigurationError(f"{file} {state}", next_step="remove it; `quilate init` writes one")
    if not Path(os.path.realpath(file)).is_relative_to(boundary_of(Path(os.path.realpath(root)))):
        raise ConfigurationError(
            f"{file} is a link that leads out of the project", next_step="keep the file itself here"
        )
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigurationError(
            f"{file} cannot be read: {error.strerror}", next_step="make it readable for the user who runs this"
        ) from error
    return load_yaml(content, FILE_NAME if root == Path() else str(file))


def parse_project(top: Table, root: Path) -> ProjectFile:
    """Return the project file that ``top`` describes.

    Raises:
        ConfigurationError: One thing is wrong.
        ConfigurationErrors: Several are; all of them.
    """
    reader = Reader()
    reader.known_keys(top, KEYS, FILE_NAME)
    version = reader.whole(top, "version", default=FORMAT_VERSION, maximum=1000)
    if version != FORMAT_VERSION:
        reader.report(
            f"the format version {version} is not known", top.entries["version"].position, "write `version: 1`"
        )
    bindings = reader.table(top, "bindings")
    binding_positions = places(bindings) if bindings else {}
    for name, node in bindings.entries.items() if bindings else ():
        binding = (
            None if present(bindings or top, name) is None else reader.as_table(node, f"the binding of {shown(name)}")
        )
        binding_positions = {**binding_positions, **(places(binding, f"{name}.") if binding else {})}
    project = ProjectFile(
        project=reader.name(top, "project", FILE_NAME),
        type=reader.name(top, "type", FILE_NAME),
        blueprint=_blueprint(top, root, reader),
        root=os.path.realpath(root),
        bindings={name: plain(node) or {} for name, node in bindings.entries.items()} if bindings else {},
        binding_positions=binding_positions,
        interpreter=_interpreter(top, reader),
        exclude=tuple(_relative(reader.texts(top, "exclude"), "exclude", reader)),
        waivers=_waivers(top, reader),
        protected_branch=_branch(top, reader),
        projects=tuple(_sub_projects(top, root, reader)),
        tickets=_tickets(top, reader),
        secrets=_secrets(top, reader),
        positions=places(top),
    )
    reader.finish()
    return project


def _blueprint(top: Table, root: Path, reader: Reader) -> str:
    if present(top, "blueprint") is None:
        reader.report(f"{FILE_NAME} lacks blueprint", top.position, "`quilate blueprint list` shows the built-in ones")
        return ""
    reference = reader.text(top, "blueprint")
    position = top.entries["blueprint"].position
    if Path(reference).is_absolute():
        reader.report("the blueprint's path is absolute", position, "write it relative to quilate.yaml")
    elif "://" not in reference and "/" in reference:
        base = Path(os.path.realpath(root))
        try:
            path_inside(reference, base, boundary_of(base))
        except ConfigurationError as error:
            reader.adopt(error, position)
    return reference


def _interpreter(top: Table, reader: Reader) -> str:
    text = reader.text(top, "interpreter")
    if "\0" in text or "\n" in text:
        reader.report("interpreter must be the path of a Python", top.entries["interpreter"].position)
    return text


def _branch(top: Table, reader: Reader) -> str:
    branch = reader.text(top, "protected_branch", "main")
    # A name that begins with a dash would be read by git as an option.
    if not _BRANCH.match(branch) or ".." in branch:
        reader.report(f"{shown(branch)!r} is no branch name", top.entries["protected_branch"].position)
    return branch


def _relative(texts: Iterable[tuple[str, SourcePosition]], key: str, reader: Reader) -> list[str]:
    found = []
    for text, position in texts:
        parts = PurePosixPath(text).parts
        if text.startswith("/") or ".." in parts or "\0" in text:
            reader.report(
                f"{shown(text)!r} in {key} leads out of the project", position, "write it relative to quilate.yaml"
            )
        else:
            found.append(text)
    return found


def _sub_projects(top: Table, root: Path, reader: Reader) -> list[str]:
    base = Path(os.path.realpath(root))
    found = []
    for text, position in reader.texts(top, "projects"):
        name = text.rstrip("/")
        if not _relative([(name, position)], "projects", reader):
            continue
        resolved = Path(os.path.realpath(base / name))
        if not resolved.is_relative_to(base) or resolved == base:
            reader.report(f"{shown(text)!r} in projects leads out of the project", position)
        elif not resolved.is_dir():
            reader.report(f"{shown(text)!r} in projects is not a directory", position)
        else:
            found.append(name)
    return found


def _waivers(top: Table, reader: Reader) -> tuple[Waiver, ...]:
    nodes = reader.items(top, "waivers")
    if not nodes:
        return ()
    from quilate.waivers.project import parse_project_waivers  # noqa: PLC0415 - few project files have waivers

    positions = [node.position for node in nodes]
    try:
        # A waiver's source is relative to the project, so that git can tell what the protected branch says there.
        return parse_project_waivers(
            [plain(node) for node in nodes], position_of=lambda index: replace(positions[index], path=FILE_NAME)
        )
    except ConfigurationError as error:
        for each in error.errors if isinstance(error, ConfigurationErrors) else (error,):
            each.position = replace(each.position, path=positions[0].path) if each.position else positions[0]
            reader.adopt(each)
        return ()


def _tickets(top: Table, reader: Reader) -> dict[str, object]:
    table = reader.table(top, "tickets")
    return dict(plain(table)) if table else {}


def _secrets(top: Table, reader: Reader) -> dict[str, str]:
    table = reader.table(top, "secrets")
    found = {}
    for name in table.entries if table else ():
        variable = reader.text(table, name) if table else ""
        if _VARIABLE.match(variable):
            found[name] = variable
        elif table:
            # What stands here may be the secret itself, written in the wrong place: it is not repeated.
            reader.report(
                f"the secret {shown(name)!r} must name an environment variable",
                table.entries[name].position,
                "write the variable's name here, never the secret",
            )
    return found
