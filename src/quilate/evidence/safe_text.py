"""Make text that others wrote harmless to look at: no terminal commands, no reversed or invisible characters."""

import re
from functools import cache

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]{0,4096}(?:\x07|\x1b\\)|[@-Z\\-_])")
_LAST_ONE_BYTE = 0xFF
_LAST_TWO_BYTES = 0xFFFF


def without_ansi(text: str) -> str:
    """Return ``text`` without the colour and cursor commands of terminals."""
    return _ANSI.sub("", text) if "\x1b" in text else text


def xml_text(text: str) -> str:
    """Return ``text`` with only the characters that XML 1.0 allows (production ``Char``)."""
    return _illegal_in_xml().sub("", without_ansi(text))


@cache
def _illegal_in_xml() -> re.Pattern[str]:
    """Return the pattern; sets of characters this wide take milliseconds to compile, which most runs never need."""
    return re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def unicode_text(text: str) -> str:
    """Return ``text`` with lone surrogates replaced, so that it can be written as UTF-8."""
    return text if text.isascii() else re.sub(r"[\ud800-\udfff]", "\ufffd", text)


def visible(character: str) -> str:
    r"""Return a character as it may be shown: control, format and bidirectional ones as an escape like ``\u202e``."""
    if character.isprintable():
        return character
    code = ord(character)
    if code <= _LAST_ONE_BYTE:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _LAST_TWO_BYTES else f"\\U{code:08x}"


def visible_text(text: str) -> str:
    """Return a text of one line as it may be shown on a terminal."""
    return text if text.isprintable() else "".join(map(visible, text))
