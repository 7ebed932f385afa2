"""Values as texts for people: short, with unit, and never alike when they differ."""

import json
from decimal import Decimal

from quilate.policy.language.numbers import Interval, shortened, spelt

_SHOWN_CHARACTERS = 60
_UNITS_WITHOUT_SIGN = frozenset({"", "ratio", "count"})


def number_text(number: Interval, unit: str, others: tuple[Decimal, ...] = ()) -> str:
    """Return a number with its unit and, where it is not known exactly, its interval.

    A ratio is its plain decimal and a count the plain number. Digits are left out as long as the number, and each
    bound, stays on the same side of all ``others``.
    """
    text = _with_unit(spelt(shortened(number.value, others)), unit)
    if number.is_point:
        return text
    low = "-∞" if number.low is None else spelt(shortened(number.low, others))
    high = "∞" if number.high is None else spelt(shortened(number.high, others))
    return f"{text} in [{low}, {high}]"


def numbers_apart(left: Interval, right: Interval, left_unit: str, right_unit: str) -> tuple[str, str]:
    """Return two numbers as texts whose digits order them as the numbers are ordered.

    The limit takes the unit of what it limits where it has none of its own.
    """
    if left.is_point and right.is_point:
        one, other = _points_apart(left.value, right.value)
        return _with_unit(spelt(one), left_unit or right_unit), _with_unit(spelt(other), right_unit or left_unit)
    exact_right = _known(right)
    actual = number_text(left, left_unit or right_unit, exact_right)
    exact_left = _known(left)
    shown_left = tuple([shortened(number, exact_right) for number in exact_left])
    return actual, number_text(right, right_unit or left_unit, exact_left + shown_left)


def _points_apart(left: Decimal, right: Decimal) -> tuple[Decimal, Decimal]:
    if left == right:
        return left, left
    shown = shortened(left, (right,))
    # Apart from the left one as it is and as it is shown: rounding both could make them meet.
    return shown, shortened(right, (left, shown))


def text_shown(text: str) -> str:
    """Return a text in quotes, cut to 60 characters, with everything that cannot be seen written as its escape."""
    written = json.dumps(text[:_SHOWN_CHARACTERS], ensure_ascii=False)
    if not written.isprintable():
        written = "".join(one if one.isprintable() else json.dumps(one)[1:-1] for one in written)
    return written if len(text) <= _SHOWN_CHARACTERS else f"{written}… ({len(text)} characters)"


def texts_apart(left: str, right: str) -> tuple[str, str]:
    """Return two texts as shown, in a way that lets their difference be seen.

    Letters of other alphabets can look alike, so that then both are written in ASCII with escapes; long texts are
    shown around their first difference.
    """
    shown = text_shown(left), text_shown(right)
    if left == right or (shown[0] != shown[1] and left.isascii() and right.isascii()):
        return shown
    pairs = enumerate(zip(left, right, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), min(len(left), len(right)))
    return _around(left, at), _around(right, at)


def _around(text: str, at: int) -> str:
    begin = max(0, at - _SHOWN_CHARACTERS // 2)
    written = f"{'…' if begin else ''}{json.dumps(text[begin : begin + _SHOWN_CHARACTERS])}"
    return written if len(text) <= _SHOWN_CHARACTERS else f"{written}… ({len(text)} characters)"


def _known(number: Interval) -> tuple[Decimal, ...]:
    if number.is_point:
        return (number.value,)
    return tuple([part for part in (number.value, number.low, number.high) if part is not None])


def _with_unit(text: str, unit: str) -> str:
    return text if unit in _UNITS_WITHOUT_SIGN else f"{text} {unit}"
