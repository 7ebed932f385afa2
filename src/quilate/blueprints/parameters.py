"""Check a blueprint's parameters and a project file's bindings against the check types, with places."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any, cast

from quilate.blueprints.layers import CHECK_KEYS
from quilate.blueprints.model import BlueprintCheck
from quilate.blueprints.yaml_positions import shown
from quilate.checks.api import Check, NoBinding
from quilate.checks.registry import failure_of, load_check
from quilate.checks.validation import UNIVERSAL_PARAMETERS, merged_parameters, validated
from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.domain.nearest import nearest_hint
from quilate.domain.severity import Severity

_PATH = re.compile(r" - at `(?:key in )?\.?([A-Za-z_]\w*)?[^`]*`")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class CheckedParameters:
    """A check's parameters as its type wants them, and which of them the profile gave."""

    check: Check
    parameters: Any
    severity_threshold: Severity
    from_profile: tuple[str, ...]


def field_names(target: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields."""
    return tuple(each.name for each in dataclasses.fields(cast("Any", target)))


def required_names(target: type) -> tuple[str, ...]:
    """Return the names of the fields that have no default."""
    return tuple(
        each.name
        for each in dataclasses.fields(cast("Any", target))
        if each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
    )


def checked_parameters(check: BlueprintCheck) -> tuple[CheckedParameters | None, tuple[ConfigurationError, ...]]:
    """Return a check's validated parameters, or every error in them."""
    try:
        kind = load_check(check.type)
    except ConfigurationError as error:
        error.position = error.position or check.position
        return None, (error,)
    if failure_of(kind):
        # A plugin that is broken: nobody knows its parameters, and the check ends with the reason.
        nothing = CheckedParameters(
            check=kind, parameters=NoBinding(), severity_threshold=Severity.LOW, from_profile=()
        )
        return nothing, ()
    names = (*field_names(kind.parameters), *UNIVERSAL_PARAMETERS)
    errors = tuple(
        ConfigurationError(
            f"{check.type} has no parameter {shown(name)!r}{nearest_hint(name[:100], (*names, *CHECK_KEYS))}",
            next_step=f"its parameters: {', '.join(names)}",
            position=check.parameter_positions.get(name, check.position),
        )
        for name in check.parameters
        if name not in names
    )
    if errors:
        return None, errors
    missing = [name for name in names if name not in check.parameters and name not in kind.profile]
    if missing:
        message = f"{check.id}: {check.type} needs {', '.join(missing)}"
        return None, (ConfigurationError(message, next_step="no profile can know it", position=check.position),)
    try:
        parameters, threshold, from_profile = merged_parameters(kind, check.parameters)
        kind.produces(parameters)
    except ConfigurationError as error:
        return None, (_placed(error, check.parameter_positions, check.position, check.id),)
    found = CheckedParameters(
        check=kind, parameters=parameters, severity_threshold=threshold, from_profile=from_profile
    )
    return found, ()


def checked_binding(
    check_id: str, kind: Check, raw: Mapping[str, Any], positions: Mapping[str, SourcePosition]
) -> tuple[Any, ConfigurationError | None]:
    """Return a check's validated binding, or why it has none. Unknown keys are the caller's to refuse."""
    if failure_of(kind):
        return NoBinding(), None
    missing = [name for name in required_names(kind.binding) if name not in raw]
    position = positions.get(check_id)
    if missing:
        listed = ", ".join(missing)
        example = ", ".join(f"{name}: …" for name in missing)
        return None, ConfigurationError(
            f"{check_id} is not bound: quilate.yaml lacks {listed}",
            next_step=f"add to quilate.yaml under bindings: `{check_id}: {{{example}}}`",
            position=position,
        )
    try:
        return validated(kind.binding, raw, f"{kind.type} has no binding"), None
    except ConfigurationError as error:
        own = {name.partition(".")[2]: place for name, place in positions.items() if name.startswith(f"{check_id}.")}
        return None, _placed(error, own, position, f"binding of {check_id}")


def unknown_binding_keys(
    check_id: str, kind: Check, raw: Mapping[str, Any], positions: Mapping[str, SourcePosition]
) -> tuple[ConfigurationError, ...]:
    """Return an error for every key that the type's binding does not have."""
    if failure_of(kind):
        return ()
    names = field_names(kind.binding)
    step = f"its keys: {', '.join(names)}" if names else f"{kind.type} judges the whole workspace and is not bound"
    return tuple(
        ConfigurationError(
            f"the binding of {check_id} ({kind.type}) has no key {shown(name)!r}{nearest_hint(name[:100], names)}",
            next_step=step,
            position=positions.get(f"{check_id}.{name}", positions.get(check_id)),
        )
        for name in raw
        if name not in names
    )


def _placed(
    error: ConfigurationError, positions: Mapping[str, SourcePosition], fallback: SourcePosition | None, owner: str
) -> ConfigurationError:
    """Return the error with the place of the key that it speaks of."""
    match = _PATH.search(error.message)
    name = match[1] if match and match[1] else next((one for one in positions if one in error.message), "")
    message = error.message if error.message.startswith(f"{owner}: ") else f"{owner}: {error.message}"
    return ConfigurationError(
        message, next_step=error.next_step, position=error.position or positions.get(name, fallback)
    )
