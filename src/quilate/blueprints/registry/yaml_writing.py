"""Located YAML written as text again, so that reading it gives the same values."""

from collections.abc import Iterator

from quilate.blueprints.yaml_positions import Listing, Node, Scalar, Table

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}
_LAST_OF_BYTE, _LAST_OF_PLANE = 0xFF, 0xFFFF


def yaml_text(top: Table) -> str:
    """Return a document: one key or item a line, texts in double quotes, numbers and dates as they were written."""
    return "".join(f"{line}\n" for line in _lines(top, 0))


def _lines(node: Table | Listing, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(node, Table):
        for key, value in node.entries.items():
            yield from _entry(f"{indent}{quoted(key)}:", value, depth)
    else:
        for item in node.items:
            yield from _entry(f"{indent}-", item, depth)


def _entry(head: str, value: Node, depth: int) -> Iterator[str]:
    if isinstance(value, Scalar):
        yield f"{head} {_scalar(value)}"
    elif isinstance(value, Table) and not value.entries:
        yield f"{head} {{}}"
    elif isinstance(value, Listing) and not value.items:
        yield f"{head} []"
    else:
        yield head
        yield from _lines(value, depth + 1)


def _scalar(scalar: Scalar) -> str:
    if scalar.value is None:
        return "null"
    return quoted(scalar.value) if isinstance(scalar.value, str) else scalar.located.text


def quoted(text: str) -> str:
    """Return a text in double quotes, everything escaped that cannot be printed."""
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == " " or character.isprintable():
        return character
    point = ord(character)
    if point <= _LAST_OF_BYTE:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= _LAST_OF_PLANE else f"\\U{point:08x}"
