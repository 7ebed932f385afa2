"""Mask what a log must not hold: secrets, and personal data (e-mail addresses, CPF, CNPJ).

Rather too much than too little: a log is read by many and kept for long.

Source: CPF and CNPJ check digits as the Receita Federal computes them (modulo 11), CNPJ with letters from July 2026 on
(Instrução Normativa RFB 2.229/2024); RFC 7519 for JSON Web Tokens.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

MASK = "[masked]"
LONGEST_TEXT = 16_384
"""Characters of one value that are logged; what follows is cut off."""

_DEEPEST = 8
_SECRET_NAME = re.compile(
    r"pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authorization|cookie|(?:api|private|signing|access)[_-]?key"
    r"|e[_-]?mail|cpf|cnpj",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(?<=://)[^\s/?#@\"'<>]{1,512}@")
_NAMED = re.compile(
    r"((?:pass(?:word|wd|phrase|code)|pwd|secret|token|credential|authorization|(?:api|private|signing|access)[_-]?key)"
    r"[\w-]{0,32}[\"']?\s{0,4}[=:]\s{0,4}[\"']?)(?:(?:bearer|basic)\s+)?[^\s\"',;&)}\]]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"\b(bearer|basic)\s+[^\s\"',;]{6,}", re.IGNORECASE)
_TOKENS = re.compile(
    r"\beyJ[\w-]{6,}\.[\w-]{4,}(?:\.[\w-]*)*"
    r"|\bql_[0-9a-f]{4,}_[0-9a-f]{8,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{12,}|\bxox[a-z]-[\w-]{8,}"
    r"|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{20,}|\bsk-[\w-]{16,}|\bhf_[A-Za-z0-9]{16,}|\bpypi-[\w-]{16,}"
    r"|-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]{0,40}-----|\Z)"
)
_EMAIL = re.compile(r"[\w.+%-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}")
_CPF_FORM = re.compile(r"(?<!\d)\d{3}\.\d{3}\.\d{3}-\d{2}(?!\d)")
_CNPJ_FORM = re.compile(r"(?<!\w)[A-Z0-9]{2}\.[A-Z0-9]{3}\.[A-Z0-9]{3}/[A-Z0-9]{4}-\d{2}(?!\d)", re.IGNORECASE)
_CPF_DIGITS = re.compile(r"(?<![\w.-])\d{11}(?![\w-])")
_CNPJ_SIGNS = re.compile(r"(?<![\w.-])[A-Z0-9]{12}\d{2}(?![\w-])")
_DIGIT = re.compile(r"\d")

_CPF_WEIGHTS = (tuple(range(10, 1, -1)), tuple(range(11, 1, -1)))
_CNPJ_WEIGHTS = ((5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2), (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
_MODULUS = 11


_harmless: set[str] = set()
"""Short texts in which there was nothing to mask: most of what is logged comes again and again. Never a secret."""

_MOST_HARMLESS, _LONGEST_HARMLESS = 4096, 64


def mask_text(text: str) -> str:
    """Return a text with every secret and every personal datum replaced by ``[masked]``."""
    if text in _harmless:
        return text
    masked = _masked(text[:LONGEST_TEXT])
    if masked == text and len(text) <= _LONGEST_HARMLESS:
        if len(_harmless) >= _MOST_HARMLESS:
            _harmless.clear()
        _harmless.add(text)
    return masked


def _masked(text: str) -> str:
    if "://" in text:
        text = _USER_INFO.sub(f"{MASK}@", text)
    text = _NAMED.sub(rf"\g<1>{MASK}", text)
    text = _BEARER.sub(rf"\g<1> {MASK}", text)
    text = _TOKENS.sub(MASK, text)
    if "@" in text:
        text = _EMAIL.sub(MASK, text)
    if _DIGIT.search(text):
        text = _CNPJ_FORM.sub(MASK, _CPF_FORM.sub(MASK, text))
        text = _CPF_DIGITS.sub(lambda found: MASK if is_cpf(found[0]) else found[0], text)
        text = _CNPJ_SIGNS.sub(lambda found: MASK if is_cnpj(found[0]) else found[0], text)
    return text


def mask_value(name: str, value: Any, depth: int = 0) -> Any:
    """Return a value to be logged under a name; under the name of a secret nothing of it is left.

    Numbers, booleans and ``None`` stay; anything that is no plain value becomes its text, masked.
    """
    if value is None or isinstance(value, bool | int | float):
        return value if name.lower() not in {"cpf", "cnpj"} else MASK
    if _is_secret(name):
        return MASK
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{len(value)} bytes"
    return mask_text(value) if isinstance(value, str) else _mask_inner(name, value, depth)


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _mask_inner(name: str, value: Any, depth: int) -> Any:
    if depth >= _DEEPEST:
        return MASK
    if isinstance(value, Mapping):
        return {mask_text(str(key)): mask_value(str(key), inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [mask_value(name, inner, depth + 1) for inner in value]
    return mask_text(str(value))


def is_cpf(digits: str) -> bool:
    """Tell whether eleven digits are a CPF."""
    return len(set(digits)) > 1 and _check_digits(digits, _CPF_WEIGHTS)


def is_cnpj(signs: str) -> bool:
    """Tell whether fourteen signs are a CNPJ, with letters or without."""
    return len(set(signs)) > 1 and _check_digits(signs, _CNPJ_WEIGHTS)


def _check_digits(signs: str, weights: tuple[tuple[int, ...], ...]) -> bool:
    # A letter counts as its ASCII code less that of the digit zero.
    values = [ord(sign) - ord("0") for sign in signs]
    for row in weights:
        rest = sum(value * weight for value, weight in zip(values, row, strict=False)) % _MODULUS
        if values[len(row)] != (0 if rest < 2 else _MODULUS - rest):  # noqa: PLR2004 - as the rule has it
            return False
    return True
