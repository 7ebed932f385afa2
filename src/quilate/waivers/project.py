"""Waivers of the project file ``quilate.yaml``: a list of mappings under ``waivers``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition
from quilate.domain.nearest import nearest_hint
from quilate.policy.model import Waiver
from quilate.waivers.fields import RULE_FORM, read_date, rule_fault, shown, text_fault

KEYS = ("id", "rule", "paths", "reason", "owner", "approver", "until")
REQUIRED_KEYS = ("rule", "reason", "owner", "until")
MAX_WAIVERS = 10_000

_FORM = "a waiver has rule, reason, owner and until, and may have paths, approver and id"


def parse_waiver(raw: Mapping[str, Any], *, index: int, position: SourcePosition) -> Waiver:
    """Return one waiver of the project file.

    That nobody approves their own waiver, and that it has not expired, is judged with the decision: such a waiver is
    shown there, and the finding is back.

    Args:
        raw: The mapping as read from YAML.
        index: Its place in the list, from zero; without ``id`` it is called ``W-`` and that number plus one.
        position: Where it is written.

    Raises:
        ConfigurationError: A key is missing, unknown or holds what it may not.
    """
    fault = _keys_fault(raw) or _texts_fault(raw)
    if fault:
        raise ConfigurationError(f"waiver {index + 1}: {fault}", next_step=_FORM, position=position)
    if fault := rule_fault(raw["rule"]):
        raise ConfigurationError(f"waiver {index + 1}: {fault}", next_step=f"a rule is {RULE_FORM}", position=position)
    until = read_date(raw["until"])
    if until is None:
        raise ConfigurationError(
            f"waiver {index + 1}: until {shown(raw['until'])} is no date",
            next_step="write the last day that it counts as YYYY-MM-DD",
            position=position,
        )
    return Waiver(
        id=raw.get("id", f"W-{index + 1}"),
        rule=raw["rule"],
        reason=raw["reason"].strip(),
        until=until,
        owner=raw["owner"].strip(),
        approver=raw.get("approver", "").strip(),
        paths=_paths(raw.get("paths", ()), index, position),
        source=f"{position.path}:{position.line}",
    )


def parse_project_waivers(raw: Sequence[Any], position_of: Callable[[int], SourcePosition]) -> tuple[Waiver, ...]:
    """Return all waivers of the project file.

    Args:
        raw: The list as read from YAML.
        position_of: Index in the list to where that waiver is written.

    Raises:
        ConfigurationErrors: Some are wrong; every error at once.
    """
    waivers: dict[str, Waiver] = {}
    errors = []
    for index, entry in enumerate(raw[:MAX_WAIVERS]):
        try:
            waiver = _entry(entry, index, position_of(index), waivers)
        except ConfigurationError as error:
            errors.append(error)
        else:
            waivers[waiver.id] = waiver
    if len(raw) > MAX_WAIVERS:
        message = f"there are {len(raw)} waivers, and at most {MAX_WAIVERS} are read"
        errors.append(ConfigurationError(message, next_step="use a baseline: quilate run --save-baseline"))
    if errors:
        raise ConfigurationErrors(tuple(errors))
    return tuple(waivers.values())


def _entry(entry: Any, index: int, position: SourcePosition, earlier: Mapping[str, Waiver]) -> Waiver:
    if not isinstance(entry, Mapping):
        raise ConfigurationError(f"waiver {index + 1} is no mapping", next_step=_FORM, position=position)
    waiver = parse_waiver(entry, index=index, position=position)
    if waiver.id in earlier:
        raise ConfigurationError(
            f"waiver {index + 1}: the id {waiver.id!r} is that of the waiver at {earlier[waiver.id].source}",
            next_step="give each waiver an id of its own",
            position=position,
        )
    return waiver


def _keys_fault(raw: Mapping[str, Any]) -> str:
    for key in raw:
        if key not in KEYS:
            return f"unknown key {shown(key)}{nearest_hint(str(key), KEYS)}"
    missing = [key for key in REQUIRED_KEYS if raw.get(key) is None or raw.get(key) == ""]
    return f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing" if missing else ""


def _texts_fault(raw: Mapping[str, Any]) -> str:
    for key in ("id", "rule", "reason", "owner", "approver"):
        if key not in raw:
            continue
        if not isinstance(raw[key], str):
            return f"{key} {shown(raw[key])} is not a text"
        if fault := text_fault(key, raw[key]):
            return fault
    return ""


def _paths(value: Any, index: int, position: SourcePosition) -> tuple[str, ...]:
    paths = (value,) if isinstance(value, str) else value
    if not isinstance(paths, list | tuple):
        raise ConfigurationError(
            f"waiver {index + 1}: paths {shown(value)} is no list", next_step="list glob patterns", position=position
        )
    for path in paths:
        fault = text_fault("a path", path) if isinstance(path, str) else f"the path {shown(path)} is not a text"
        if not fault and (path.startswith("/") or ".." in path.split("/") or "\\" in path):
            fault = f"the path {shown(path)} leads out of the project"
        if fault:
            raise ConfigurationError(
                f"waiver {index + 1}: {fault}",
                next_step="write glob patterns relative to quilate.yaml, for example src/legacy/**",
                position=position,
            )
    return tuple(paths)
