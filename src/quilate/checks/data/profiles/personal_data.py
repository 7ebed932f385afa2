"""Find personal data in columns: documents with check digits, cards, e-mail addresses, telephones.

A run of bare digits passes a check digit by chance (about 1 in 100 for CPF and CNPJ, 1 in 10 for cards), so bare
numbers count only where at least half of a column's values are valid; formatted ones count always.

Source: Receita Federal, check digits of CPF and CNPJ (modulo 11), alphanumeric CNPJ by Instrução Normativa RFB
2.229/2024 (a character's value is its ASCII code minus 48); ISO/IEC 7812-1 annex B for cards (Luhn).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

BARE_SHARE = 0.5

_CNPJ_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
_CPF_DIGITS = 11
_CPF_BODY = 9
_CNPJ_BODY = 12


class PersonalDataKind(StrEnum):
    """The kinds that are looked for."""

    CPF = "CPF"
    CNPJ = "CNPJ"
    EMAIL = "e-mail address"
    PHONE = "telephone number"
    CARD = "card number"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalData:
    """How many cells of a column hold a kind of personal data."""

    column: str
    kind: PersonalDataKind
    cells: int


def is_cpf(text: str) -> bool:
    """Return whether the digits of ``text`` are a CPF with right check digits."""
    digits = [int(character) for character in text if character.isascii() and character.isdigit()]
    if len(digits) != _CPF_DIGITS or len(set(digits)) == 1:
        return False
    return all(
        digits[place] == _modulo_11(sum(digits[at] * (place + 1 - at) for at in range(place))) for place in (9, 10)
    )


def is_cnpj(text: str) -> bool:
    """Return whether ``text`` is a CNPJ, numeric or alphanumeric, with right check digits."""
    characters = [character for character in text.upper() if character.isascii() and character.isalnum()]
    if len(characters) != _CNPJ_BODY + 2 or len(set(characters)) == 1 or not all(c.isdigit() for c in characters[-2:]):
        return False
    values = [ord(character) - 48 for character in characters]
    for place in (_CNPJ_BODY, _CNPJ_BODY + 1):
        weights = _CNPJ_WEIGHTS[-place:]
        total = sum(value * weight for value, weight in zip(values, weights, strict=False))
        if values[place] != _modulo_11(total):
            return False
    return True


def _modulo_11(total: int) -> int:
    rest = total % 11
    return 0 if rest < 2 else 11 - rest  # noqa: PLR2004 - the rule's own number: rests 0 and 1 give the digit 0


def is_card(text: str) -> bool:
    """Return whether the digits of ``text`` are a card number by length, issuer and Luhn's check digit."""
    digits = [int(character) for character in text if character.isascii() and character.isdigit()]
    if not 13 <= len(digits) <= 19 or digits[0] not in {2, 3, 4, 5, 6} or len(set(digits)) == 1:  # noqa: PLR2004 - ISO
        return False
    doubled = [2 * digit - 9 * (digit > 4) for digit in digits[-2::-2]]  # noqa: PLR2004 - Luhn
    return (sum(doubled) + sum(digits[-1::-2])) % 10 == 0


def _always(_: str) -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class _Detector:
    kind: PersonalDataKind
    pattern: str
    confirm: Callable[[str], bool]
    bare: bool


_DETECTORS = (
    _Detector(
        kind=PersonalDataKind.CPF, pattern=r"\b[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}\b", confirm=is_cpf, bare=False
    ),
    _Detector(kind=PersonalDataKind.CPF, pattern=r"\A\s*[0-9]{11}\s*\z", confirm=is_cpf, bare=True),
    _Detector(
        kind=PersonalDataKind.CNPJ,
        pattern=r"\b[0-9A-Za-z]{2}\.[0-9A-Za-z]{3}\.[0-9A-Za-z]{3}/[0-9A-Za-z]{4}-[0-9]{2}\b",
        confirm=is_cnpj,
        bare=False,
    ),
    _Detector(kind=PersonalDataKind.CNPJ, pattern=r"\A\s*[0-9A-Z]{12}[0-9]{2}\s*\z", confirm=is_cnpj, bare=True),
    _Detector(
        kind=PersonalDataKind.EMAIL,
        pattern=r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}",
        confirm=_always,
        bare=False,
    ),
    _Detector(
        kind=PersonalDataKind.PHONE,
        pattern=r"(?:\+[0-9]{1,3}[ .-]?(?:\([0-9]{1,4}\)|[0-9]{1,4})[ .-]?|\([0-9]{2}\) ?)[0-9]{4,5}[ .-]?[0-9]{4}\b",
        confirm=_always,
        bare=False,
    ),
    _Detector(
        kind=PersonalDataKind.CARD,
        pattern=r"\b(?:[0-9]{4}[ -]){3}[0-9]{4}\b|\b[0-9]{4}[ -][0-9]{6}[ -][0-9]{5}\b",
        confirm=is_card,
        bare=False,
    ),
    _Detector(kind=PersonalDataKind.CARD, pattern=r"\A\s*[0-9]{13,19}\s*\z", confirm=is_card, bare=True),
)


def personal_data_in(column: pl.Series) -> tuple[PersonalData, ...]:
    """Return the kinds found in a text column with exact counts of cells; never a value."""
    present = column.drop_nulls()
    if present.is_empty():
        return ()
    counts = present.alias("value").value_counts(name="cells")
    found: dict[PersonalDataKind, set[str]] = {}
    for detector in _DETECTORS:
        confirmed = _confirmed(counts, detector)
        cells = _cells(counts, confirmed)
        if confirmed and (not detector.bare or cells >= BARE_SHARE * len(present)):
            found.setdefault(detector.kind, set()).update(confirmed)
    return tuple(
        PersonalData(column=column.name, kind=kind, cells=_cells(counts, values)) for kind, values in found.items()
    )


def _confirmed(counts: pl.DataFrame, detector: _Detector) -> set[str]:
    candidates = counts.filter(pl.col("value").str.contains(detector.pattern))["value"].to_list()
    expression = re.compile(detector.pattern.replace(r"\z", r"\Z"))
    return {
        value for value in candidates if any(detector.confirm(match.group()) for match in expression.finditer(value))
    }


def _cells(counts: pl.DataFrame, values: set[str]) -> int:
    chosen = pl.Series(sorted(values), dtype=pl.String)
    return int(counts.filter(pl.col("value").is_in(chosen.implode()))["cells"].sum())
