"""YAML in which every value still knows its place and its spelling."""

from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from quilate.domain.errors import EvidenceError, SourcePosition
from quilate.domain.nearest import nearest_hint

_NULL = "tag:yaml.org,2002:null"
_BOOLEAN = "tag:yaml.org,2002:bool"
_TRUE = ("true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A scalar as written: ``NO`` stays ``NO``, ``0.10`` stays ``0.10``."""

    text: str
    tag: str
    position: SourcePosition

    @property
    def is_null(self) -> bool:
        """It is empty, ``~`` or ``null``."""
        return self.tag == _NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequence:
    """A list."""

    items: "tuple[Node, ...]"
    position: SourcePosition


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """A mapping with text keys."""

    entries: "dict[str, Node]"
    keys: dict[str, SourcePosition]
    position: SourcePosition

    def only(self, known: Iterable[str], owner: str) -> None:
        """Refuse keys that are not known.

        Raises:
            EvidenceError: Names the key, its place and the nearest known one.
        """
        names = tuple(known)
        for key, position in self.keys.items():
            if key not in names:
                raise contract_error(f"{owner} has no key {key!r}{nearest_hint(key, names)}", position)

    def text(self, key: str, default: str = "") -> str:
        """Return a scalar's spelling."""
        node = self.entries.get(key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return default
        if isinstance(node, Scalar):
            return node.text
        raise contract_error(f"{key} must be a single value", node.position)

    def flag(self, key: str) -> bool:
        """Return a boolean, false where it is not given."""
        node = self.entries.get(key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return False
        if isinstance(node, Scalar) and node.tag == _BOOLEAN:
            return node.text in _TRUE
        raise contract_error(f"{key} must be true or false", node.position)

    def mapping(self, key: str) -> "Mapping | None":
        """Return a mapping, or ``None`` where it is not given."""
        node = self.entries.get(key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return None
        if isinstance(node, Mapping):
            return node
        raise contract_error(f"{key} must be a mapping", node.position)

    def sequence(self, key: str) -> "tuple[Node, ...]":
        """Return a list's items, none where it is not given."""
        node = self.entries.get(key)
        if node is None or (isinstance(node, Scalar) and node.is_null):
            return ()
        if isinstance(node, Sequence):
            return node.items
        raise contract_error(f"{key} must be a list", node.position)

    def mappings(self, key: str) -> "tuple[Mapping, ...]":
        """Return a list of mappings."""
        return tuple(as_mapping(node, f"each item of {key}") for node in self.sequence(key))

    def at(self, key: str) -> SourcePosition:
        """Return where a key stands, or where the mapping starts."""
        return self.keys.get(key, self.position)


Node = Scalar | Sequence | Mapping


def as_mapping(node: Node, owner: str) -> Mapping:
    """Return the node as a mapping.

    Raises:
        EvidenceError: It is something else.
    """
    if isinstance(node, Mapping):
        return node
    raise contract_error(f"{owner} must be a mapping", node.position)


def contract_error(message: str, position: SourcePosition) -> EvidenceError:
    """Return the error for a fault in a contract."""
    return EvidenceError(message, next_step="mend the data contract", position=position)


def load_located(path: str, content: bytes) -> Mapping:
    """Return a YAML document whose top is a mapping.

    Raises:
        EvidenceError: It is no YAML, no mapping, repeats a key, refers to itself or is nested too deeply.
    """
    start = SourcePosition(path=path)
    try:
        root = yaml.compose(content.decode("utf-8"), Loader=yaml.SafeLoader)
        if root is None:
            raise contract_error("the contract is empty", start)
        return as_mapping(_Converter(path).convert(root), "a contract")
    except UnicodeDecodeError as error:
        raise contract_error(f"the contract is not UTF-8 at byte {error.start + 1}", start) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = SourcePosition(path=path, line=mark.line + 1, column=mark.column + 1) if mark else start
        raise contract_error(f"not YAML: {error.problem}", place) from error
    except yaml.YAMLError as error:
        raise contract_error("not YAML: a character that YAML does not allow", start) from error
    except RecursionError as error:
        raise contract_error("the contract is nested too deeply", start) from error


class _Converter:
    """Turns each YAML node into ours once, so that repeated aliases cost nothing."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._done: dict[int, Node] = {}
        self._open: set[int] = set()

    def convert(self, node: yaml.Node) -> Node:
        key = id(node)
        if key in self._done:
            return self._done[key]
        position = SourcePosition(path=self._path, line=node.start_mark.line + 1, column=node.start_mark.column + 1)
        if key in self._open:
            raise contract_error("the contract refers to itself", position)
        self._open.add(key)
        self._done[key] = self._converted(node, position)
        self._open.discard(key)
        return self._done[key]

    def _converted(self, node: yaml.Node, position: SourcePosition) -> Node:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, position)
        if isinstance(node, yaml.SequenceNode):
            return Sequence(items=tuple(self.convert(item) for item in node.value), position=position)
        return Scalar(text=str(node.value), tag=str(node.tag), position=position)

    def _mapping(self, node: yaml.MappingNode, position: SourcePosition) -> Mapping:
        entries: dict[str, Node] = {}
        keys: dict[str, SourcePosition] = {}
        for key_node, value_node in node.value:
            key = self.convert(key_node)
            if not isinstance(key, Scalar):
                raise contract_error("a key must be a single word", key.position)
            if key.text in entries:
                raise contract_error(f"the key {key.text!r} is repeated", key.position)
            entries[key.text] = self.convert(value_node)
            keys[key.text] = key.position
        return Mapping(entries=entries, keys=keys, position=position)
