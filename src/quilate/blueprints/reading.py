"""Read typed values out of located YAML and collect every error on the way."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from quilate.blueprints.yaml_positions import Listing, LocatedText, Node, Scalar, Table, kind_of, shown
from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition
from quilate.domain.nearest import nearest_hint

MAX_DURATION_SECONDS = 366 * 24 * 3600

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,99}\Z")
_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)\Z")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration_seconds(text: str) -> float | None:
    """Return the seconds of ``30s``, ``10m``, ``24h`` or ``7d``; ``None`` where it is no duration from 1 s to 366 d."""
    match = _DURATION.match(text)
    if match is None:
        return None
    seconds = int(match[1]) * _UNIT_SECONDS[match[2]]
    return float(seconds) if 0 < seconds <= MAX_DURATION_SECONDS else None


class Reader:
    """Typed access to tables. A value that does not fit is reported once and read as absent.

    A key without a value (``waivers:``) is absent.
    """

    def __init__(self) -> None:
        self.errors: list[ConfigurationError] = []

    def report(self, message: str, position: SourcePosition | None, next_step: str = "") -> None:
        """Collect an error."""
        self.errors.append(ConfigurationError(message, next_step=next_step, position=position))

    def adopt(self, error: ConfigurationError, position: SourcePosition | None = None) -> None:
        """Collect an error that something else raised; ``position`` where it has none of its own."""
        for each in error.errors if isinstance(error, ConfigurationErrors) else (error,):
            each.position = each.position or position
            self.errors.append(each)

    def finish(self) -> None:
        """Raise what was collected, in the order of the places.

        Raises:
            ConfigurationError: There is one error.
            ConfigurationErrors: There are several.
        """
        if not self.errors:
            return
        ordered = sorted(self.errors, key=_place)
        if len(ordered) == 1:
            raise ordered[0]
        raise ConfigurationErrors(tuple(ordered))

    def known_keys(self, table: Table, known: Iterable[str], owner: str) -> None:
        """Report every key that is not known, with the nearest one."""
        names = tuple(known)
        for key, position in table.keys.items():
            if key not in names:
                step = f"known keys: {', '.join(names)}"
                self.report(f"{owner} has no key {shown(key)!r}{nearest_hint(key[:100], names)}", position, step)

    def text(self, table: Table, key: str, default: str = "") -> str:
        """Return a text."""
        located = self.located_text(table, key)
        return default if located is None else located.text

    def located_text(self, table: Table, key: str) -> LocatedText | None:
        """Return a text that knows its place."""
        node = present(table, key)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, str):
            return node.located
        step = "put it in quotes" if isinstance(node, Scalar) else ""
        self.report(f"{key} must be a text, not {kind_of(node)}", node.position, step)
        return None

    def label(self, table: Table, key: str, owner: str) -> str:
        """Return a required text or number as text: ``1.10`` stays ``1.10``."""
        node = present(table, key)
        if node is None:
            self.report(f"{owner} lacks {key}", table.position)
            return ""
        if isinstance(node, Scalar) and not isinstance(node.value, bool) and node.located.text.strip():
            return node.located.text.strip()
        self.report(f"{key} must be a text or a number, not {kind_of(node)}", node.position)
        return ""

    def name(self, table: Table, key: str, owner: str) -> str:
        """Return a required name: letters, digits, ``_``, ``-`` and ``.``, not beginning with a digit."""
        if present(table, key) is None:
            self.report(f"{owner} lacks {key}", table.position)
            return ""
        text = self.text(table, key)
        if text and not _NAME.match(text):
            self.report(
                f"{shown(text)!r} is no name", table.entries[key].position, "use letters, digits, `_`, `-` and `.`"
            )
            return ""
        return text

    def flag(self, table: Table, key: str, *, default: bool) -> bool:
        """Return a boolean."""
        node = present(table, key)
        if node is None:
            return default
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.report(f"{key} must be true or false, not {kind_of(node)}", node.position)
        return default

    def whole(self, table: Table, key: str, *, default: int, maximum: int) -> int:
        """Return a whole number from zero to ``maximum``."""
        node = present(table, key)
        if node is None:
            return default
        if (
            isinstance(node, Scalar)
            and isinstance(node.value, int)
            and not isinstance(node.value, bool)
            and 0 <= node.value <= maximum
        ):
            return node.value
        self.report(f"{key} must be a whole number from 0 to {maximum}, not {kind_of(node)}", node.position)
        return default

    def seconds(self, table: Table, key: str) -> float | None:
        """Return a duration in seconds, or ``None`` where there is none."""
        node = present(table, key)
        if node is None:
            return None
        if isinstance(node, Scalar):
            seconds = duration_seconds(node.value) if isinstance(node.value, str) else None
            if isinstance(node.value, int | Decimal) and not isinstance(node.value, bool):
                seconds = float(node.value) if 0 < node.value <= MAX_DURATION_SECONDS else None
            if seconds is not None:
                return seconds
        self.report(
            f"{key} must be a duration, not {kind_of(node)}",
            node.position,
            "for example 30s, 10m, 24h or 7d, up to 366d",
        )
        return None

    def day(self, table: Table, key: str) -> date | None:
        """Return a date."""
        node = present(table, key)
        if node is None:
            return None
        if isinstance(node, Scalar) and isinstance(node.value, date):
            return node.value
        self.report(f"{key} must be a date, not {kind_of(node)}", node.position, "write it as 2026-12-31")
        return None

    def choice(self, table: Table, key: str, choices: Iterable[str], default: str) -> str:
        """Return one of a few words."""
        allowed = tuple(choices)
        node = present(table, key)
        if node is None:
            return default
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, str) and value in allowed:
            return value
        hint = nearest_hint(value[:100], allowed) if isinstance(value, str) else ""
        self.report(f"{key} must be one of {', '.join(allowed)}, not {kind_of(node)}{hint}", node.position)
        return default

    def table(self, table: Table, key: str) -> Table | None:
        """Return a mapping, or ``None`` where there is none."""
        node = present(table, key)
        return None if node is None else self.as_table(node, key)

    def as_table(self, node: Node, owner: str) -> Table | None:
        """Return the node as a mapping, or report that it is none."""
        if isinstance(node, Table):
            return node
        self.report(f"{owner} must be a mapping of keys to values, not {kind_of(node)}", node.position)
        return None

    def items(self, table: Table, key: str) -> tuple[Node, ...]:
        """Return the items of a list, none where there is no list."""
        node = present(table, key)
        if node is None:
            return ()
        if isinstance(node, Listing):
            return node.items
        self.report(f"{key} must be a list, not {kind_of(node)}", node.position, f"write `{key}: [...]`")
        return ()

    def texts(self, table: Table, key: str) -> tuple[tuple[str, SourcePosition], ...]:
        """Return a list of texts with their places."""
        found = []
        for item in self.items(table, key):
            if isinstance(item, Scalar) and isinstance(item.value, str) and item.value:
                found.append((item.value, item.position))
            else:
                self.report(f"each item of {key} must be a text, not {kind_of(item)}", item.position)
        return tuple(found)


def present(table: Table, key: str) -> Node | None:
    """Return the node of a key, or ``None`` where the key or its value is not there."""
    node = table.entries.get(key)
    return None if isinstance(node, Scalar) and node.value is None else node


def places(table: Table, prefix: str = "") -> Mapping[str, SourcePosition]:
    """Return where each key of a table stands, each name behind ``prefix``."""
    return {f"{prefix}{key}": position for key, position in table.keys.items()}


def _place(error: ConfigurationError) -> tuple[str, int, int]:
    position = error.position
    return (position.path, position.line, position.column) if position else ("", 0, 0)
