"""Blueprint texts of the service: read, judged and made independent of everything that they extend.

No text may lead the server to a file or an address: what a blueprint extends is built in or was published in the same
project, and its Rego modules stand in the text itself.
"""

import contextlib
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from quilate.blueprints.layers import merged_layers, normalised_layer
from quilate.blueprints.model import Blueprint, Plan, ProjectFile
from quilate.blueprints.parser import parse_blueprint
from quilate.blueprints.planner import make_plan
from quilate.blueprints.reading import Reader, present
from quilate.blueprints.references import builtin_names, builtin_text
from quilate.blueprints.registry.model import ListedBlueprint, Origin
from quilate.blueprints.registry.yaml_writing import yaml_text
from quilate.blueprints.yaml_positions import MAX_BYTES, LocatedText, Scalar, Table, load_yaml, shown
from quilate.domain.errors import ConfigurationError, InternalError, SourcePosition

LABEL = "blueprint"
"""What messages call a text that has no file name."""

_VERSION = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){0,4}\Z")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A text that others are laid over; ``label`` names it in messages."""

    label: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadBlueprint:
    """A text that was read. ``standalone`` says the same and extends nothing."""

    blueprint: Blueprint
    plan: Plan
    standalone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintReference:
    """``name`` or ``name@version``."""

    name: str
    version: str | None = None

    @classmethod
    def parse(cls, text: str) -> "BlueprintReference":
        """Return the reference that a text holds.

        Raises:
            ConfigurationError: It is a path, an address, or no name.
        """
        name, separator, version = text.partition("@")
        if not _NAME.match(name) or (separator and not _VERSION.match(version)):
            raise ConfigurationError(
                f"{shown(text)!r} is no blueprint of the service",
                next_step="name a built-in or a published one: NAME or NAME@VERSION; the service reads no files and "
                "no addresses for a blueprint",
            )
        return cls(name=name, version=version or None)


PublishedLayer = Callable[[BlueprintReference], Awaitable[Layer]]
"""Finds what a text extends in the project; raises ``ConfigurationError`` where there is none."""


def version_key(version: str) -> tuple[int, ...]:
    """Return what versions are ordered by: their numbers, trailing zeros left out.

    Raises:
        ConfigurationError: It is no version of numbers and dots.
    """
    if not _VERSION.match(version):
        raise ConfigurationError(
            f"the version {shown(version)!r} is not made of numbers and dots",
            next_step="for example `version: 3` or `version: 3.1`",
        )
    numbers = [int(part) for part in version.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def extended_reference(text: str) -> tuple[BlueprintReference, SourcePosition] | None:
    """Return what a text extends and where it says so, or ``None``.

    Raises:
        ConfigurationError: The text is no YAML of ours, or names a file or an address.
        ConfigurationErrors: Several things are wrong.
    """
    located = _extends(load_yaml(text.encode(), LABEL))
    if located is None:
        return None
    try:
        return BlueprintReference.parse(located.text), located.at(0)
    except ConfigurationError as error:
        error.position = located.at(0)
        raise


def read_blueprint(text: str, label: str = LABEL, parent: Layer | None = None) -> ReadBlueprint:
    """Return the blueprint of a text, judged as ``quilate plan`` would judge it.

    Args:
        text: YAML.
        label: Its name in messages.
        parent: What it extends, as ``extended_reference`` named it.

    Raises:
        ConfigurationError: One thing in it is wrong.
        ConfigurationErrors: Several things are; all of them.
    """
    reader = Reader()
    top = _layer(text, label, reader)
    extends = parent is not None
    while parent is not None:
        top = merged_layers(_layer(parent.text, parent.label, reader), top)
        parent = _builtin_parent(parent)
    blueprint = parse_blueprint(top, reader, label)
    version_key(blueprint.document.version)
    plan = make_plan(_anybody(blueprint), blueprint)
    standalone = _standalone(top, blueprint) if extends else text
    return ReadBlueprint(blueprint=blueprint, plan=plan, standalone=standalone)


def builtin_layer(name: str) -> Layer:
    """Return a built-in blueprint."""
    return Layer(label=f"{name} (built-in)", text=builtin_text(name))


def read_builtin(name: str) -> ReadBlueprint:
    """Return a built-in blueprint, read."""
    layer = builtin_layer(name)
    return read_blueprint(layer.text, layer.label, _builtin_parent(layer))


def _builtin_parent(layer: Layer) -> Layer | None:
    """Return what a parent extends itself: built-in ones extend built-in ones, published ones are standalone."""
    located = _extends(load_yaml(layer.text.encode(), layer.label))
    return None if located is None else builtin_layer(located.text)


def _extends(top: Table) -> LocatedText | None:
    node = present(top, "extends")
    return node.located if isinstance(node, Scalar) and isinstance(node.value, str) else None


def _layer(text: str, label: str, reader: Reader) -> Table:
    top = load_yaml(text.encode(), label)
    reader.located_text(top, "extends")

    def no_files(name: str, position: SourcePosition) -> str:
        reader.report(
            f"a blueprint of the service cannot name the file {shown(name)!r}",
            position,
            "write the module under `rule: |`",
        )
        return ""

    return normalised_layer(top, reader, no_files)


def _anybody(blueprint: Blueprint) -> ProjectFile:
    """Return a project that any blueprint is for and that binds nothing: enough to judge the blueprint alone."""
    kind = blueprint.project_types[0] if blueprint.project_types else ""
    return ProjectFile(project="any", type=kind, blueprint=blueprint.document.id, root="/", detected=True)


def _standalone(top: Table, blueprint: Blueprint) -> str:
    text = yaml_text(top)
    if len(text.encode()) > MAX_BYTES:
        raise ConfigurationError(
            f"with what it extends the blueprint has more than {MAX_BYTES >> 20} MiB", next_step="split it"
        )
    reader = Reader()
    again = parse_blueprint(_layer(text, LABEL, reader), reader, LABEL)
    if again.document != blueprint.document:
        raise InternalError(
            f"the blueprint {blueprint.document.id} changed its meaning when it was written without `extends`",
            next_step="write it without `extends`, and report this",
        )
    return text


def listed_builtins(after: str) -> list[ListedBlueprint]:
    """Return the built-in blueprints whose names come after ``after``; one of a plugin that is broken is left out."""
    found = []
    for name in builtin_names():
        with contextlib.suppress(ConfigurationError):
            found += [_listed_builtin(name)] if name > after else []
    return found


def _listed_builtin(name: str) -> ListedBlueprint:
    blueprint = read_builtin(name).blueprint
    return ListedBlueprint(
        name=name,
        origin=Origin.BUILT_IN,
        description=blueprint.description,
        version=blueprint.document.version,
        digest=blueprint.document.digest,
    )
