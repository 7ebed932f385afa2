r"""Strict meaning of texts: which are integers, numbers, booleans, dates; how they compare; what a pattern means.

One set of rules for every format, the same as the published semantics: regular expressions match the whole value and
``\\d`` is ``[0-9]``; lengths count code points; NaN is a number that lies in no range; equal values are equal however
they are spelt (``1``, ``+1`` and ``01`` are one integer).
"""

from decimal import Decimal, InvalidOperation
from enum import StrEnum

import polars as pl
from polars import Expr, Series


class LogicalType(StrEnum):
    """The value types of the Open Data Contract Standard that are judged."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"
    TIMESTAMP = "timestamp"


INTEGER = r"\A[+-]?[0-9]+\z"
NUMBER = r"\A[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?\z|\A[+-]?(?i:nan|inf|infinity)\z"
BOOLEAN = r"\A(?:true|false|True|False|TRUE|FALSE)\z"
DATE = r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z"
TIMESTAMP = (
    r"\A([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2})(:[0-9]{2})?(\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})?\z"
)

STRING_FORMATS = {
    "email": r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)+",
    "hostname": r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*",
    "ipv4": r"(?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])\.){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])",
    "uri": r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+",
    "uuid": r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}",
}
"""Formats of strings that are judged (HTML's definition of an e-mail address, RFC 1123, RFC 3986, RFC 9562)."""

_EXPANDABLE_EXPONENT = 400
_NEAR = 1e-9


def is_of_type(text: Expr, logical_type: LogicalType, date_format: str) -> Expr:
    """Return whether each non-null text is a value of the type; ``date_format`` is a chrono format or empty."""
    if logical_type is LogicalType.INTEGER:
        return text.str.contains(INTEGER)
    if logical_type is LogicalType.NUMBER:
        return text.str.contains(NUMBER)
    if logical_type is LogicalType.BOOLEAN:
        return text.str.contains(BOOLEAN)
    if logical_type is LogicalType.STRING:
        return pl.lit(value=True)
    return instant(text, logical_type, date_format).is_not_null()


def instant(text: Expr, logical_type: LogicalType, date_format: str) -> Expr:
    """Return dates and timestamps as microseconds since 1970 in UTC; null where the text is none.

    Without ``date_format`` they are ISO 8601; a timestamp without a zone is in UTC, as the standard says.
    """
    if date_format:
        parsed = text.str.strptime(pl.Datetime("us"), date_format, strict=False, exact=True, ambiguous="null")
        again = parsed.dt.strftime(date_format)
        return pl.when(again == text).then(parsed.dt.epoch("us"))
    if logical_type is LogicalType.DATE:
        whole = pl.when(text.str.contains(DATE)).then(text)
        return whole.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("us")).dt.epoch("us")
    parts = [text.str.extract(TIMESTAMP, group) for group in range(1, 6)]
    complete = pl.concat_str(
        parts[0],
        pl.lit("T"),
        parts[1],
        parts[2].fill_null(":00"),
        parts[3].fill_null(""),
        parts[4].fill_null("Z"),
    )
    return complete.str.to_datetime("%+", strict=False, time_zone="UTC").dt.epoch("us")


def beyond(text: Expr, limit: Decimal, *, below: bool, exclusive: bool) -> Expr:
    """Return whether each numeric text lies beyond the limit; exact at any number of digits. NaN always does.

    A binary comparison settles all values that are not near the limit, and the few distinct ones near it are compared
    as decimals.
    """
    bound = float(limit)
    value = text.cast(pl.Float64, strict=False)
    near = (value - bound).abs() <= _NEAR * max(abs(bound), _NEAR)
    clearly = (value < bound) if below else (value > bound)

    def decide(batch: Series) -> Series:
        distinct = [spelling for spelling in batch.unique().to_list() if spelling is not None]
        wrong = [spelling for spelling in distinct if _is_beyond(spelling, limit, below=below, exclusive=exclusive)]
        return batch.is_in(Series(wrong, dtype=pl.String).implode())

    close = pl.when(near).then(text)
    exact = close.map_batches(decide, return_dtype=pl.Boolean)
    return pl.when(value.is_nan()).then(statement=True).when(near).then(exact).otherwise(clearly)


def _is_beyond(spelling: str, limit: Decimal, *, below: bool, exclusive: bool) -> bool:
    value = _decimal(spelling)
    if value == limit:
        return exclusive
    return value < limit if below else value > limit


def _decimal(spelling: str) -> Decimal:
    try:
        return Decimal(spelling)
    except InvalidOperation:
        return Decimal(0)  # An exponent below what a decimal can hold: nothing but zero is nearer.


def canonical(text: Expr, logical_type: LogicalType, date_format: str) -> Expr:
    """Return one spelling per value, so that equal values have equal texts; nulls and other texts stay as they are."""
    if logical_type in {LogicalType.INTEGER, LogicalType.NUMBER}:
        plain = _plain_number(text)
        exponent = pl.when(text.str.contains(r"[eE]")).then(text)
        expanded = exponent.map_batches(
            lambda batch: batch.replace_strict(_expansions(batch), default=batch, return_dtype=pl.String),
            return_dtype=pl.String,
        )
        return pl.when(exponent.is_not_null()).then(expanded).otherwise(plain)
    if logical_type is LogicalType.BOOLEAN:
        return text.str.to_lowercase()
    if logical_type is LogicalType.TIMESTAMP:
        return pl.coalesce(instant(text, logical_type, date_format).cast(pl.String), text)
    return text


def _plain_number(text: Expr) -> Expr:
    unsigned = text.str.strip_prefix("+").str.replace(r"\A(-?)0*([0-9])", "${1}${2}").str.replace(r"\A(-?)\.", "${1}0.")
    trimmed = unsigned.str.replace(r"\A(-?[0-9]+)\.0*\z", "${1}").str.replace(r"\A(-?[0-9]+\.[0-9]*[1-9])0+\z", "${1}")
    return trimmed.str.replace(r"\A-0\z", "0")


def _expansions(batch: Series) -> dict[str, str]:
    return {spelling: _expanded(spelling) for spelling in batch.drop_nulls().unique().to_list()}


def _expanded(spelling: str) -> str:
    number = _decimal(spelling)
    if not number.is_finite() or abs(number.adjusted()) > _EXPANDABLE_EXPONENT:
        return spelling.lower()
    plain = format(number, "f")
    if "." in plain:
        plain = plain.rstrip("0").rstrip(".")
    return "0" if plain == "-0" else plain


def canonical_text(text: str, logical_type: LogicalType, date_format: str = "") -> str:
    """Return the one spelling of a single value; see ``canonical``."""
    frame = pl.DataFrame({"value": [text]}, schema={"value": pl.String})
    return str(frame.select(canonical(pl.col("value"), logical_type, date_format)).item())


def anchored(pattern: str) -> str:
    r"""Return a pattern of a contract as one that matches whole values, with ASCII ``\\d`` and ``\\w``."""
    return rf"\A(?:{_ascii_classes(pattern)})\z"


def pattern_fault(pattern: str) -> str:
    """Return why a pattern cannot be used, or an empty string."""
    try:
        Series([""]).str.contains(anchored(pattern))
    except pl.exceptions.ComputeError as error:
        lines = [line.removeprefix("error:").strip() for line in str(error).splitlines() if line.startswith("error:")]
        return lines[0] if lines else "it is no regular expression"
    return ""


def _ascii_classes(pattern: str) -> str:
    inside = {"d": "0-9", "w": "0-9A-Za-z_"}
    result = []
    in_class = False
    position = 0
    while position < len(pattern):
        character = pattern[position]
        if character == "\\" and position + 1 < len(pattern):
            letter = pattern[position + 1]
            result.append(_escaped(letter, inside, in_class=in_class))
            position += 2
            continue
        in_class = (character == "[") or (in_class and character != "]")
        result.append(character)
        position += 1
    return "".join(result)


def _escaped(letter: str, inside: dict[str, str], *, in_class: bool) -> str:
    lower = letter.lower()
    if lower not in inside:
        return "\\" + letter
    if letter == lower:
        return inside[letter] if in_class else f"[{inside[letter]}]"
    return f"[^{inside[lower]}]"


_TOKENS = (
    ("yyyy", "%Y"),
    ("SSSSSSSSS", "%9f"),
    ("SSSSSS", "%6f"),
    ("SSS", "%3f"),
    ("MM", "%m"),
    ("dd", "%d"),
    ("HH", "%H"),
    ("mm", "%M"),
    ("ss", "%S"),
    ("yy", "%y"),
)


def chrono_format(java_format: str) -> str | None:
    """Return the strptime spelling of a JDK ``DateTimeFormatter`` pattern, or ``None`` where it has other letters."""
    result = []
    position = 0
    while position < len(java_format):
        token = next((pair for pair in _TOKENS if java_format.startswith(pair[0], position)), None)
        character = java_format[position]
        if token:
            result.append(token[1])
            position += len(token[0])
        elif character == "'" and (end := java_format.find("'", position + 1)) > 0:
            result.append((java_format[position + 1 : end] or "'").replace("%", "%%"))
            position = end + 1
        elif character.isalpha() and character != "T":
            return None
        else:
            result.append("%%" if character == "%" else character)
            position += 1
    return "".join(result)


def instant_of(text: str, logical_type: LogicalType, date_format: str) -> int | None:
    """Return a single date or timestamp as ``instant`` does, or ``None``."""
    frame = pl.DataFrame({"value": [text]}, schema={"value": pl.String})
    value: int | None = frame.select(instant(pl.col("value"), logical_type, date_format)).item()
    return value
