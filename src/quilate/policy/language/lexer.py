"""Text to tokens. Never raises anything but ``PolicyError``, and never takes more than linear time."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from quilate.domain.errors import SourcePosition
from quilate.policy.language.errors import PolicyError, shown

MAX_SOURCE_CHARACTERS = 64 << 10
MAX_NUMBER_DIGITS = 100
MAX_EXPONENT = 100
KEYWORDS = frozenset({"and", "or", "not", "in", "true", "false"})

_SKIPPED = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_HYPHENATED = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z0-9_]+)+")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_QUOTED_NAME = re.compile(r"`([^`\n]*)`?")
_PLAIN_TEXT = re.compile(r"[^\"'\\\n]+")
_UNICODE_ESCAPE = re.compile(r"[0-9A-Fa-f]{4}")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_SYMBOLS = ("==", "!=", "<=", ">=", "<", ">", "(", ")", ",", "-")
_MISTAKES = {
    "===": "equality is written `==`",
    "!==": "inequality is written `!=`",
    "<>": "inequality is written `!=`",
    "=>": "at least is written `>=`",
    "=<": "at most is written `<=`",
    "&&": "write `and`",
    "||": "write `or`",
    "&": "write `and`",
    "|": "write `or`",
    "!": "write `not`",
    "=": "equality is written `==`",
    "≥": "write `>=`",
    "≤": "write `<=`",
    "≠": "write `!=`",
    "\N{MINUS SIGN}": "the minus sign is `-`",
    "“": 'texts stand in straight quotes: "text"',
    "”": 'texts stand in straight quotes: "text"',
    "[": 'a list stands in parentheses: ("a", "b")',
    "{": 'a list stands in parentheses: ("a", "b")',
    "%": "a ratio is a plain decimal: write 0.8 for 80 %",
    "+": "the language has no arithmetic",
    "*": "the language has no arithmetic",
    "/": "the language has no arithmetic",
    ".": "a number starts with a digit (0.5), a name with a letter",
    ";": "a rule is one expression: join clauses by `and`",
}


class TokenKind(StrEnum):
    """What a token is. Keywords and signs carry their own spelling as text."""

    NAME = "name"
    NUMBER = "number"
    TEXT = "text"
    KEYWORD = "keyword"
    SYMBOL = "symbol"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """A word of a rule; ``text`` is its meaning (a text without quotes, a name without backticks)."""

    kind: TokenKind
    text: str
    start: int
    end: int


_Reader = Callable[[], Token]


class Fault:
    """Makes the errors of one rule, all with the same source and base."""

    def __init__(self, source: str, base: SourcePosition | None) -> None:
        self._source = source
        self._base = base

    def __call__(self, message: str, start: int, end: int, next_step: str = "") -> PolicyError:
        """Return an error at a place."""
        return PolicyError(message, source=self._source, start=start, end=end, base=self._base, next_step=next_step)


def tokens_of(source: str, base: SourcePosition | None = None) -> tuple[Token, ...]:
    """Return the tokens of a rule, closed by one of kind ``END``.

    Raises:
        PolicyError: The text is too long or holds something that is no token.
    """
    return _Lexer(source, Fault(source, base)).run()


class _Lexer:
    """Reads one rule from its first character to its last."""

    def __init__(self, source: str, fault: Fault) -> None:
        self._source = source
        self._fault = fault
        self._at = 0
        self._readers: dict[str, _Reader] = {'"': self._text, "'": self._text, "`": self._name}
        self._readers |= dict.fromkeys("0123456789", self._number)
        self._readers |= dict.fromkeys("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_", self._name)

    def run(self) -> tuple[Token, ...]:
        self._refuse_unprintable()
        tokens: list[Token] = []
        source = self._source
        while True:
            if skipped := _SKIPPED.match(source, self._at):
                self._at = skipped.end()
            if self._at >= len(source):
                tokens.append(Token(TokenKind.END, "", len(source), len(source)))
                return tuple(tokens)
            token = self._readers.get(source[self._at], self._symbol)()
            self._at = token.end
            tokens.append(token)

    def _refuse_unprintable(self) -> None:
        """Refuse control, bidirectional and unassigned characters: a rule must mean what a reader sees."""
        source = self._source
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise self._fault(
                f"the rule is longer than {MAX_SOURCE_CHARACTERS} characters",
                MAX_SOURCE_CHARACTERS,
                MAX_SOURCE_CHARACTERS + 1,
                "split it into several policies",
            )
        for index, character in enumerate(source) if not source.isprintable() else ():
            if not character.isprintable() and character not in "\n\r\t":
                raise self._fault(f"the character {shown(character)} cannot be seen", index, index + 1, "remove it")

    def _name(self) -> Token:
        begin = self._at
        segment, end = self._segment(begin)
        segments = [segment]
        source = self._source
        while end < len(source) and source[end] == ".":
            segment, end = self._segment(end + 1)
            segments.append(segment)
        word = ".".join(segments)
        kind = TokenKind.KEYWORD if source[begin:end] in KEYWORDS else TokenKind.NAME
        hyphenated = _HYPHENATED.match(source, begin)
        if hyphenated and hyphenated.end() > end and kind is TokenKind.NAME:
            raise self._fault(
                "the language has no arithmetic, and a name with a hyphen stands in backticks",
                begin,
                hyphenated.end(),
                f"if it is a name, write `{shown(hyphenated.group())}` with the backticks",
            )
        return Token(kind, word, begin, end)

    def _segment(self, begin: int) -> tuple[str, int]:
        source = self._source
        if source.startswith("`", begin):
            quoted = _QUOTED_NAME.match(source, begin)
            if quoted is None or not quoted.group(1) or not quoted.group().endswith("`"):
                raise self._fault("a name in backticks is empty or not closed", begin, begin + 1)
            return quoted.group(1), quoted.end()
        word = _WORD.match(source, begin)
        if word is None:
            raise self._fault("a dot must be followed by a name", begin - 1, begin)
        return word.group(), word.end()

    def _number(self) -> Token:
        match = _NUMBER.match(self._source, self._at)
        end = match.end() if match else self._at + 1
        text = self._source[self._at : end]
        mantissa, _, exponent = text.lower().partition("e")
        if len(mantissa) > MAX_NUMBER_DIGITS or len(exponent) > MAX_NUMBER_DIGITS:
            raise self._fault(f"a number has at most {MAX_NUMBER_DIGITS} digits", self._at, end)
        if abs(int(exponent or "0")) > MAX_EXPONENT:
            raise self._fault(f"an exponent lies between -{MAX_EXPONENT} and {MAX_EXPONENT}", self._at, end)
        if _WORD.match(self._source, end) or self._source.startswith(".", end):
            raise self._fault(
                "a number is followed directly by something else",
                self._at,
                end + 1,
                "units are not written, the fact has one; a name that starts with a digit stands in backticks",
            )
        return Token(TokenKind.NUMBER, text, self._at, end)

    def _text(self) -> Token:
        source, begin = self._source, self._at
        quote = source[begin]
        parts: list[str] = []
        at = begin + 1
        while at < len(source) and source[at] != "\n":
            character = source[at]
            if character == quote:
                return Token(TokenKind.TEXT, "".join(parts), begin, at + 1)
            if character == "\\":
                part, at = self._escape(at)
            elif plain := _PLAIN_TEXT.match(source, at):
                part, at = plain.group(), plain.end()
            else:
                part, at = character, at + 1
            parts.append(part)
        raise self._fault("a text is not closed", begin, at, f"end it with {quote}")

    def _escape(self, at: int) -> tuple[str, int]:
        letter = self._source[at + 1 : at + 2]
        if letter in _ESCAPES:
            return _ESCAPES[letter], at + 2
        digits = _UNICODE_ESCAPE.match(self._source, at + 2) if letter == "u" else None
        if digits is None:
            raise self._fault(
                "an unknown escape in a text", at, at + 2, r"the escapes are \\ \" \' \n \t \r and \u with four digits"
            )
        character = chr(int(digits.group(), 16))
        if "\ud800" <= character <= "\udfff":
            raise self._fault("an escape that is no character", at, at + 6, "write the character itself")
        return character, at + 6

    def _symbol(self) -> Token:
        source, at = self._source, self._at
        for piece in (source[at : at + 3], source[at : at + 2], source[at]):
            if piece in _MISTAKES:
                raise self._fault(f"`{piece}` is not part of the language", at, at + len(piece), _MISTAKES[piece])
            if piece in _SYMBOLS:
                return Token(TokenKind.SYMBOL, piece, at, at + len(piece))
        raise self._fault(f"`{shown(source[at])}` is not part of the language", at, at + 1)
