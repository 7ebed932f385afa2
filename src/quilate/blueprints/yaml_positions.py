"""YAML read into plain values that still know their place in the file.

A stricter YAML on purpose: what a reader could misread is refused or stays text. ``yes``, ``no``, ``on`` and ``off``
are texts; numbers are whole numbers or exact decimals, never floats; ``2026-11-21`` is a date; tags, merge keys,
repeated keys and more than one document are errors. The events of PyYAML are put together without recursion of its
own, so that neither deep nesting nor aliases of aliases cost more than their refusal.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

import yaml

from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition

MAX_BYTES = 1 << 20
MAX_DEPTH = 50
MAX_NODES = 100_000
"""Nodes of one document with every alias counted as often as it is used."""

MAX_WHOLE_NUMBER = 1 << 53
"""Beyond this JSON readers no longer keep whole numbers exact (RFC 8785)."""

_MAX_NUMBER_CHARACTERS = 40
_MAX_EXPONENT = 30
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)\Z")
_DECIMAL = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_CONSTANTS: Mapping[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_MESSAGE_CHARACTERS = 200

Plain = None | bool | int | Decimal | date | str


@dataclass(frozen=True, slots=True, kw_only=True)
class LocatedText:
    """A text that can say where in the file each of its characters stands.

    ``segments`` holds, for each stretch of the text that lies on one line of the file, its first offset in the text
    with its place in the file.
    """

    text: str
    segments: tuple[tuple[int, SourcePosition], ...]

    def at(self, offset: int) -> SourcePosition:
        """Return the place of one character of the text."""
        index = bisect_right(self.segments, offset, key=lambda segment: segment[0]) - 1
        start, position = self.segments[max(index, 0)]
        return SourcePosition(path=position.path, line=position.line, column=position.column + max(offset - start, 0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """A single value; ``located`` is its text with places, for messages about parts of it."""

    value: Plain
    position: SourcePosition
    located: LocatedText
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A list."""

    items: "tuple[Node, ...]"
    position: SourcePosition
    size: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A mapping with text keys; ``keys`` holds where each key stands."""

    entries: "Mapping[str, Node]"
    keys: Mapping[str, SourcePosition]
    position: SourcePosition
    size: int = 1


Node = Scalar | Listing | Table


def plain(node: Node) -> Any:
    """Return a node as plain values, without places."""
    if isinstance(node, Table):
        return {key: plain(value) for key, value in node.entries.items()}
    if isinstance(node, Listing):
        return [plain(item) for item in node.items]
    return node.value


def kind_of(node: Node) -> str:
    """Return what a node is, for messages."""
    if isinstance(node, Table):
        return "a mapping"
    if isinstance(node, Listing):
        return "a list"
    return "nothing" if node.value is None else f"{shown(node.located.text)!r}"


def shown(text: str) -> str:
    """Return a text for a message: one line, at most 60 characters, nothing that cannot be printed."""
    line = " ".join(text.split())
    cut = line if len(line) <= 60 else line[:60] + "…"  # noqa: PLR2004 - enough to recognise it by
    return "".join(character if character.isprintable() else f"U+{ord(character):04X}" for character in cut)


def load_yaml(content: bytes, path: str) -> Table:
    """Return a YAML document whose top is a mapping. ``path`` is the name for messages.

    Raises:
        ConfigurationError: It is too large, not UTF-8, no YAML, nested too deeply or otherwise refused.
        ConfigurationErrors: Several things are.
    """
    start = SourcePosition(path=path)
    if len(content) > MAX_BYTES:
        raise ConfigurationError(
            "the file has more than 1 MiB", next_step="take out what is no configuration, or split it", position=start
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode("utf-8", "replace")) + 1
        raise ConfigurationError(
            "the file is not UTF-8",
            next_step="save it as UTF-8",
            position=SourcePosition(path=path, line=line, column=column),
        ) from error
    composer = _Composer(text, path)
    try:
        node = composer.compose()
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, path) from error
    except yaml.YAMLError as error:
        raise ConfigurationError(
            "not YAML: a character that YAML does not allow",
            next_step="remove it, or write it as an escape in double quotes",
            position=_bad_character(text, path),
        ) from error
    if len(composer.errors) > 1:
        raise ConfigurationErrors(tuple(composer.errors))
    if composer.errors:
        raise composer.errors[0]
    if not isinstance(node, Table):
        raise ConfigurationError(
            "the top of the file must be a mapping of keys to values",
            next_step="`quilate init --print` and `quilate blueprint show crypto-lib` show how the files look",
            position=start,
        )
    return node


def _syntax_error(error: yaml.MarkedYAMLError, path: str) -> ConfigurationError:
    mark = error.problem_mark or error.context_mark
    position = (
        SourcePosition(path=path, line=mark.line + 1, column=mark.column + 1) if mark else SourcePosition(path=path)
    )
    problem = shown((error.problem or "cannot be read")[:_MESSAGE_CHARACTERS])
    return ConfigurationError(
        f"not YAML: {problem}", next_step="look at indentation, quotes and tabs", position=position
    )


def _bad_character(text: str, path: str) -> SourcePosition:
    for offset, character in enumerate(text):
        if not (character.isprintable() or character in "\t\n\r\x85\u2028\u2029\ufeff"):
            before = text[:offset]
            return SourcePosition(path=path, line=before.count("\n") + 1, column=offset - before.rfind("\n"))
    return SourcePosition(path=path)


@dataclass(slots=True, kw_only=True)
class _Open:
    """A list or mapping that is being read; ``key`` is the key whose value comes next."""

    position: SourcePosition
    anchor: str | None
    mapping: bool
    items: list[Node] = field(default_factory=list)
    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, SourcePosition] = field(default_factory=dict)
    key: str | None = None
    size: int = 1


class _Composer:
    """Puts the events of one document together."""

    def __init__(self, text: str, path: str) -> None:
        self.errors: list[ConfigurationError] = []
        self._text = text
        self._path = path
        self._anchors: dict[str, Node] = {}
        self._open: list[_Open] = []
        self._root: Node | None = None
        self._documents = 0

    def compose(self) -> Node | None:
        """Return the document's root, or ``None`` where the file is empty."""
        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        for event in yaml.parse(self._text, Loader=loader):
            self._take(event)
        return self._root

    def _take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise self._error("the file holds more than one YAML document", self._position(event.start_mark))
        elif isinstance(event, yaml.AliasEvent):
            self._alias(event)
        elif isinstance(event, yaml.ScalarEvent):
            self._scalar(event)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._start(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._finish()

    def _alias(self, event: Any) -> None:
        position = self._position(event.start_mark)
        node = self._anchors.get(event.anchor)
        if node is None:
            raise self._error(
                f"the alias {shown(event.anchor)!r} has no anchor before it, or refers to itself", position
            )
        self._put(node, position)

    def _start(self, event: Any) -> None:
        position = self._position(event.start_mark)
        self._refuse_tag(event, position)
        if len(self._open) >= MAX_DEPTH:
            raise self._error(f"the file is nested deeper than {MAX_DEPTH} levels", position, "make it flatter")
        mapping = isinstance(event, yaml.MappingStartEvent)
        if self._expects_key():
            raise self._error("a key must be a text", position)
        self._open.append(_Open(position=position, anchor=event.anchor, mapping=mapping))

    def _finish(self) -> None:
        done = self._open.pop()
        node: Node
        if done.mapping:
            node = Table(entries=done.entries, keys=done.keys, position=done.position, size=done.size)
        else:
            node = Listing(items=tuple(done.items), position=done.position, size=done.size)
        if done.anchor:
            self._anchors[done.anchor] = node
        self._put(node, done.position)

    def _scalar(self, event: Any) -> None:
        position = self._position(event.start_mark)
        self._refuse_tag(event, position)
        located = LocatedText(text=event.value, segments=tuple(self._segments(event)))
        value: Plain = event.value
        if event.style in {None, ""} and event.implicit[0]:
            value = self._resolved(event.value, position)
        node = Scalar(value=value, position=position, located=located)
        if event.anchor:
            self._anchors[event.anchor] = node
        self._put(node, position)

    def _put(self, node: Node, position: SourcePosition) -> None:
        if not self._open:
            self._root = node
            return
        parent = self._open[-1]
        parent.size += node.size
        if parent.size > MAX_NODES:
            raise self._error(f"the file has more than {MAX_NODES} values, aliases included", position)
        if not parent.mapping:
            parent.items.append(node)
        elif parent.key is None:
            parent.key = self._key(parent, node, position)
        else:
            parent.entries[parent.key] = node
            parent.key = None

    def _key(self, parent: _Open, node: Node, position: SourcePosition) -> str:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.errors.append(self._error(f"a key must be a text, not {kind_of(node)}", position, "put it in quotes"))
            return f"\0{position}"
        if node.value == "<<":
            self.errors.append(self._error("merge keys (`<<`) are not read", position, "write the keys out"))
        elif node.value in parent.keys:
            first = parent.keys[node.value]
            self.errors.append(
                self._error(f"the key {shown(node.value)!r} is repeated; it stands in line {first.line}", position)
            )
        parent.keys.setdefault(node.value, position)
        return node.value

    def _expects_key(self) -> bool:
        return bool(self._open) and self._open[-1].mapping and self._open[-1].key is None

    def _refuse_tag(self, event: Any, position: SourcePosition) -> None:
        if event.tag:
            self.errors.append(self._error(f"the tag {shown(event.tag)!r} is not read", position, "leave the tag out"))

    def _resolved(self, text: str, position: SourcePosition) -> Plain:
        if text in _CONSTANTS:
            return _CONSTANTS[text]
        if _DATE.match(text):
            try:
                return date.fromisoformat(text)
            except ValueError:
                return text
        return self._number(text, position) if _DECIMAL.match(text) else text

    def _number(self, text: str, position: SourcePosition) -> Plain:
        number = Decimal(text) if len(text) <= _MAX_NUMBER_CHARACTERS else None
        step = "put it in quotes if it is a text"
        if number is None or abs(number.adjusted()) > _MAX_EXPONENT:
            self.errors.append(self._error(f"the number {shown(text)} is out of range", position, step))
            return text
        if not _WHOLE.match(text):
            return number
        if abs(number) > MAX_WHOLE_NUMBER:
            self.errors.append(self._error(f"the whole number {text} is beyond 2**53", position, step))
            return text
        return int(text)

    def _segments(self, event: Any) -> Iterator[tuple[int, SourcePosition]]:
        """Match the characters of a value with those of the file: blanks may differ, all others follow each other."""
        line, column, index = event.start_mark.line + 1, event.start_mark.column + 1, event.start_mark.index
        raw = self._text[index : event.end_mark.index]
        offset = 0
        if event.style in {"|", ">"}:
            header = raw.find("\n") + 1 or len(raw)
            raw, line, column = raw[header:], line + 1, 1
        elif event.style in {"'", '"'}:
            raw, column = raw[1:-1], column + 1
        yielded = False
        for physical in raw.split("\n"):
            stripped = physical.strip()
            if stripped:
                while offset < len(event.value) and event.value[offset].isspace():
                    offset += 1
                indent = len(physical) - len(physical.lstrip())
                yield offset, SourcePosition(path=self._path, line=line, column=column + indent)
                yielded = True
                offset += len(stripped)
            line, column = line + 1, 1
        if not yielded:
            yield 0, self._position(event.start_mark)

    def _position(self, mark: Any) -> SourcePosition:
        return SourcePosition(path=self._path, line=mark.line + 1, column=mark.column + 1)

    def _error(self, message: str, position: SourcePosition, next_step: str = "") -> ConfigurationError:
        return ConfigurationError(message, next_step=next_step, position=position)
