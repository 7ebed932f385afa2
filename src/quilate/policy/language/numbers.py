"""Numbers that may only be known within an interval: their order, and how they are spelt.

All comparisons of decimals here are exact; no operation rounds except where a spelling is made.
"""

from decimal import MAX_EMAX, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from typing import NamedTuple

from quilate.evidence.model import finite_decimal
from quilate.kit.canonical import decimal_text
from quilate.policy.model import Truth, Value

_FEWEST_DIGITS = 6
_ROUNDINGS = tuple(
    Context(prec=digits, rounding=ROUND_HALF_EVEN, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[])
    for digits in range(_FEWEST_DIGITS, 30)
)
_PLAIN_EXPONENTS = range(-12, 21)


class Interval(NamedTuple):
    """A number: the best value and the bounds around it; ``None`` stands for no bound on that side."""

    value: Decimal
    low: Decimal | None
    high: Decimal | None

    @property
    def is_point(self) -> bool:
        """Whether the number is known exactly."""
        return self.low is not None and self.low == self.high

    def negative(self) -> "Interval":
        """Return the number with its sign turned, exactly."""
        low = None if self.high is None else self.high.copy_negate()
        high = None if self.low is None else self.low.copy_negate()
        return Interval(self.value.copy_negate(), low, high)


def point(value: Decimal) -> Interval:
    """Return a number that is known exactly."""
    return Interval(value, value, value)


def interval_of(value: Value) -> Interval | None:
    """Return the number that a value stands for, or ``None`` where it is missing or makes no sense.

    A value outside its own bounds widens them, so that no definite answer rests on the contradiction.
    """
    number = finite_decimal(value.value)
    if number is None:
        return None
    if value.low is None and value.high is None:
        return Interval(number, number, number)
    low, high = finite_decimal(value.low), finite_decimal(value.high)
    if (low is None) != (value.low is None) or (high is None) != (value.high is None):
        return None
    if low is not None and high is not None and low > high:
        return None
    return Interval(number, None if low is None else min(low, number), None if high is None else max(high, number))


def compared(operator: str, left: Interval, right: Interval) -> Truth:
    """Return whether ``left operator right`` holds for all, for none or for only some of the possible values."""
    match operator:
        case "<":
            return _less(left, right)
        case ">":
            return _less(right, left)
        case "<=":
            return opposite(_less(right, left))
        case ">=":
            return opposite(_less(left, right))
        case "==":
            return _equal(left, right)
        case _:
            return opposite(_equal(left, right))


def opposite(truth: Truth) -> Truth:
    """Return Kleene's negation."""
    if truth is Truth.UNKNOWN:
        return truth
    return Truth.FALSE if truth is Truth.TRUE else Truth.TRUE


def _less(left: Interval, right: Interval) -> Truth:
    if left.high is not None and right.low is not None and left.high < right.low:
        return Truth.TRUE
    if left.low is not None and right.high is not None and left.low >= right.high:
        return Truth.FALSE
    return Truth.UNKNOWN


def _equal(left: Interval, right: Interval) -> Truth:
    if left.is_point and right.is_point and left.value == right.value:
        return Truth.TRUE
    if Truth.TRUE in {_less(left, right), _less(right, left)}:
        return Truth.FALSE
    return Truth.UNKNOWN


def spelt(number: Decimal) -> str:
    """Return the exact decimal text; beyond 20 places before or 12 behind the point with an exponent."""
    if number == 0 or number.adjusted() in _PLAIN_EXPONENTS:
        return decimal_text(number)
    sign, digits, _ = number.as_tuple()
    return f"{decimal_text(Decimal((sign, digits, 1 - len(digits))))}e{number.adjusted()}"


def shortened(number: Decimal, others: tuple[Decimal, ...]) -> Decimal:
    """Return ``number`` in as few digits as keep it on the same side of all the others, but at least six.

    So ``0.79999999999`` beside ``0.8`` is never shortened to ``0.8``.
    """
    if _ROUNDINGS[0].plus(number) == number:
        return number
    sides = [number.compare_signal(other) for other in others]
    for context in _ROUNDINGS:
        rounded = context.plus(number)
        if [rounded.compare_signal(other) for other in others] == sides:
            return rounded
    return number
