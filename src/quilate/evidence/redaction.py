"""Mask secrets in text that is shown or stored.

Findings of secret scanners say where secrets are, and code frames mask those places in full. This module is the second
line: it masks what looks like a secret although no scanner reported it. It rather masks too much than too little.

Source: the token shapes are the issuers' own (AWS access key ids, GitHub, GitLab, Slack, Google, Stripe, npm, PyPI
token prefixes; RFC 7519 for JSON Web Tokens; RFC 7468 for PEM).
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator

MASK = "[masked]"

MAX_TEXT = 256 << 10
"""Characters looked at in one call; what follows is cut off, since unmasked text must not pass."""

_Span = tuple[int, int]

_TOKENS = re.compile(
    r"""
    (?<![A-Za-z0-9]) (?: AKIA|ASIA|AGPA|AIDA|AROA|ANPA|ANVA|ABIA|ACCA ) [A-Z0-9]{12,}
    | (?<![A-Za-z0-9]) gh[pousr]_ [A-Za-z0-9]{16,}
    | github_pat_ [A-Za-z0-9_]{16,}
    | glpat- [A-Za-z0-9_-]{12,}
    | xox[a-z]- [A-Za-z0-9-]{8,}
    | xapp- [A-Za-z0-9-]{8,}
    | hooks\.slack\.com/services/ [A-Za-z0-9/_-]+
    | (?<![A-Za-z0-9]) eyJ [A-Za-z0-9_-]{6,} \. [A-Za-z0-9_-]{4,} (?: \. [A-Za-z0-9_-]* )*
    | (?<![A-Za-z0-9]) sk- [A-Za-z0-9_-]{16,}
    | (?<![A-Za-z0-9]) [spr]k_(?:live|test)_ [A-Za-z0-9]{8,}
    | AIza [A-Za-z0-9_-]{20,}
    | ya29\. [A-Za-z0-9_-]{16,}
    | GOCSPX- [A-Za-z0-9_-]{16,}
    | (?<![A-Za-z0-9]) npm_ [A-Za-z0-9]{20,}
    | pypi- [A-Za-z0-9_-]{16,}
    | (?<![A-Za-z0-9]) hf_ [A-Za-z0-9]{16,}
    | (?<![A-Za-z0-9]) SG\. [A-Za-z0-9_-]{12,} \. [A-Za-z0-9_-]{12,}
    """,
    re.VERBOSE,
)

_PEM = re.compile(
    r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----.*?(?:-----END [A-Z0-9 ]{0,50}-----|\Z)", re.DOTALL
)
_PEM_BEGIN = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----")
_PEM_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,10}-----")

_STRONG = (
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authorization"
    r"|(?:api|access|account|private|signing|encryption|master|auth)[_-]?key"
)
_NAME_END = rf"(?:{_STRONG}|(?<![A-Za-z])key)[\w-]{{0,32}}"
_ANNOTATION = r"(?::\s{0,4}[\w.\[\], |]{1,40}?\s{0,4})?"
_ASSIGNMENT = rf"{_NAME_END}[\"'\])\s]{{0,4}}{_ANNOTATION}(?:[=!]=|:=|=>|[=:,])\s{{0,8}}"
_QUOTED_VALUE = re.compile(
    rf"""(?i){_ASSIGNMENT}\(?\s{{0,4}}[rbfu]{{0,2}}(?:
        \"\"\"(?P<a>.*?)(?:\"\"\"|\Z) | \'\'\'(?P<b>.*?)(?:\'\'\'|\Z)
        | "(?P<c>(?:\\.|[^"\\\n])*) | '(?P<d>(?:\\.|[^'\\\n])*) | `(?P<e>[^`\n]*)
    )""",
    re.VERBOSE | re.DOTALL,
)
_BARE_VALUE = re.compile(
    rf"(?im)^[ \t]*(?:-[ \t]+)?(?:(?:export|set)[ \t]+)?[\"']?[\w.-]{{0,64}}?{_NAME_END}[\"']?"
    r"(?:[ \t]{0,4}:[ \t]{1,8}|[ \t]{0,4}=[ \t]{0,4})(?P<value>[^\s\"'`#(\[{][^\s\"'`()\[\]{}]*)[ \t]*(?:\#.*)?$"
)
_OPTION_VALUE = re.compile(rf"(?i)--?(?:[a-z0-9]{{1,20}}-){{0,4}}(?:{_STRONG}|key)[= ][\"']?(?P<value>[^\s\"'`]+)")
_QUERY_VALUE = re.compile(rf"(?i)[?&;][\w-]{{0,32}}?(?:{_STRONG}|key|sig|signature|auth)=(?P<value>[^&\s\"'`<>]+)")
_HEADER_VALUE = re.compile(
    r"(?i)(?:\bauthorization[\"']?\s{0,4}[:=]\s{0,4}[\"']?(?:[a-z0-9-]{1,20}[ ]+)?|\bbearer\s+(?=[^\s]{12}))"
    r"(?P<value>[^\s\"'`]+)"
)
_USER_INFO = re.compile(r"://(?P<value>[^\s/?\#@:\"'<>`]{0,512}:[^\s\"'<>`]{0,512}|[^\s/?\#@\"'<>`]{1,512})@")
_GROUPED = (_QUOTED_VALUE, _BARE_VALUE, _OPTION_VALUE, _QUERY_VALUE, _HEADER_VALUE, _USER_INFO)

_PLAIN_WORDS = frozenset(
    {"str", "bytes", "string", "int", "integer", "bool", "boolean", "float", "any", "none", "null"}
)
_PLAIN_WORDS |= {"true", "false", "void", "undefined", "nil", "object"}

_CANDIDATE = re.compile(r"[A-Za-z0-9+/=_-]{20,}")
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]{24,}")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_MIN_BITS = 3.6
_MIN_HEXADECIMAL_BITS = 3.0
_NUMBER = re.compile(r"[0-9]+")
_WORDS_OF_A_NAME = 2
_NUMBERS_OF_RANDOM_TEXT = 3
_MIN_PIECE = 12
_LONGER_THAN_WORDS = 28


def redact(text: str) -> str:
    """Return ``text`` with everything that looks like a secret replaced by ``[masked]``."""
    return masked(text[:MAX_TEXT], secret_spans(text[:MAX_TEXT]))


def redact_known(text: str) -> str:
    """Return ``text`` with known secret shapes masked; digests and other merely random text stay readable."""
    cut = text[:MAX_TEXT]
    return masked(cut, _merged(_known_spans(cut)))


def masked(text: str, spans: Iterable[_Span]) -> str:
    """Return ``text`` with each of the ordered, disjoint spans replaced by ``[masked]``."""
    pieces, position = [], 0
    for start, end in spans:
        pieces += [text[position:start], MASK]
        position = end
    return "".join([*pieces, text[position:]])


def secret_spans(text: str) -> tuple[_Span, ...]:
    """Return the ordered, disjoint places (start, exclusive end) in ``text`` that look like secrets."""
    return _merged([*_known_spans(text), *_random_spans(text)])


def private_key_lines(lines: Iterable[str]) -> frozenset[int]:
    """Return the numbers, from one, of all lines within PEM blocks of private keys; an open block reaches the end."""
    found, inside = set(), False
    for number, line in enumerate(lines, start=1):
        if "-----" in line and _PEM_BEGIN.search(line):
            inside = True
        if inside:
            found.add(number)
            ends = [match.end() for match in _PEM_END.finditer(line)] if "-----" in line else []
            inside = not ends or _PEM_BEGIN.search(line, ends[-1]) is not None
    return frozenset(found)


def _known_spans(text: str) -> Iterator[_Span]:
    for match in _TOKENS.finditer(text):
        yield match.span()
    if "PRIVATE KEY" in text:
        for match in _PEM.finditer(text):
            yield match.span()
    for pattern in _GROUPED:
        for match in pattern.finditer(text):
            name = match.lastgroup
            if name and match[name] and match[name].strip(" ,;|").lower() not in _PLAIN_WORDS | {MASK}:
                yield match.span(name)


def _random_spans(text: str) -> Iterator[_Span]:
    for match in _CANDIDATE.finditer(text):
        if _looks_random(match[0]):
            yield match.span()


def _looks_random(token: str) -> bool:
    """Tell random text from identifiers and paths, which consist of words and few numbers."""
    if _HEXADECIMAL.search(token):
        return _bits_per_character(token) >= _MIN_HEXADECIMAL_BITS
    pieces = [piece for piece in re.split(r"[/_=+-]+", token) if piece]
    if all(len(_WORD.findall(piece)) <= _WORDS_OF_A_NAME for piece in pieces) and len(pieces) > 1:
        return False
    return _bits_per_character(token) >= _MIN_BITS and any(map(_mixes_at_random, [*pieces, token]))


def _mixes_at_random(piece: str) -> bool:
    numbers = len(_NUMBER.findall(piece))
    mixed = any(map(str.islower, piece)) and any(map(str.isupper, piece))
    return (
        (numbers >= _NUMBERS_OF_RANDOM_TEXT and len(piece) >= _MIN_PIECE)
        or (numbers > 1 and mixed)
        or (numbers > 0 and not mixed and len(piece) >= _LONGER_THAN_WORDS)
        or (mixed and _changes_case_often(piece))
    )


def _changes_case_often(token: str) -> bool:
    """Random letters change their case every second character, camel case every fourth or later."""
    words = _WORD.findall(token)
    return len(words) * 3 > sum(map(len, words))


def _bits_per_character(token: str) -> float:
    size = len(token)
    return -sum(count / size * math.log2(count / size) for count in Counter(token).values())


def _merged(spans: Iterable[_Span]) -> tuple[_Span, ...]:
    merged: list[_Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return tuple(merged)
