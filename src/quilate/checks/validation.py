"""Turn raw parameters and bindings into a check's own frozen dataclasses."""

import dataclasses
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, cast

import msgspec

from quilate.checks.api import Check
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint
from quilate.domain.severity import Severity

UNIVERSAL_PARAMETERS = ("severity_threshold",)
"""Parameters that every check type has; ``Context.severity_threshold`` carries it."""

MAX_EXPONENT = 30
"""As in YAML: no limit needs a number of more places."""


def merged_parameters(check: Check, raw: Mapping[str, Any]) -> tuple[Any, Severity, tuple[str, ...]]:
    """Return the validated parameters, the severity threshold, and the names taken from the profile.

    Raises:
        ConfigurationError: A key is unknown (names the nearest) or a value does not fit.
    """
    merged = {**check.profile, **raw}
    threshold = merged.pop("severity_threshold")
    try:
        severity = Severity(threshold)
    except ValueError as error:
        names = ", ".join(Severity)
        raise ConfigurationError(f"severity_threshold must be one of {names}, not {threshold!r}") from error
    parameters = validated(check.parameters, merged, f"{check.type} has no parameter", UNIVERSAL_PARAMETERS)
    return parameters, severity, tuple(sorted(name for name in check.profile if name not in raw))


def validated(target: type, raw: Mapping[str, Any], unknown: str, also: tuple[str, ...] = ()) -> Any:
    """Return ``raw`` as an instance of the dataclass ``target``.

    Raises:
        ConfigurationError: A key is unknown, missing, or its value does not fit.
    """
    names = [field.name for field in dataclasses.fields(cast("Any", target))]
    for name in raw:
        if name not in names:
            raise ConfigurationError(f"{unknown} {name!r}{nearest_hint(str(name), [*names, *also])}")
    try:
        converted: Any = msgspec.convert(dict(raw), target, strict=True)
    except msgspec.ValidationError as error:
        raise ConfigurationError(str(error).replace("Object missing", "missing").replace("$.", "")) from error
    for name in names:
        for number in _decimals(getattr(converted, name)):
            # Not a number and infinity are limits that nothing breaches; a huge exponent takes gigabytes to spell.
            if not number.is_finite() or abs(number.adjusted()) > MAX_EXPONENT:
                raise ConfigurationError(f"{name}: {number} is no number that can be a limit")
    return converted


def _decimals(value: Any) -> Iterator[Decimal]:
    if isinstance(value, Decimal):
        yield value
    elif isinstance(value, Mapping):
        yield from (number for inner in value.values() for number in _decimals(inner))
    elif isinstance(value, list | tuple | frozenset | set):
        yield from (number for inner in value for number in _decimals(inner))
