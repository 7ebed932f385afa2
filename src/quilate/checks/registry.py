"""The check types by name. A line is ``"module:Class"``, imported when the check is needed.

Installed plugins add types through the entry points ``quilate.checks``; they are looked for when a name is asked for
that is not in this file, and never take one that is.
"""

from importlib import import_module
from types import MappingProxyType
from typing import cast

from quilate.checks.api import Check
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint
from quilate.kit.plugins import CHECKS, PluginNames

_TARGETS = {
    "CODE_FORMAT": "quilate.checks.code.code_format:CodeFormat",
    "CODE_LINT": "quilate.checks.code.code_lint:CodeLint",
    "COMMAND": "quilate.checks.code.command:Command",
    "COMPLEXITY": "quilate.checks.code.complexity:Complexity",
    "CRYPTO_ANALYSIS": "quilate.checks.crypto.crypto_analysis:CryptoAnalysis",
    "DAST": "quilate.checks.security.dast:Dast",
    "DATA_PROFILING": "quilate.checks.data.data_profiling:DataProfiling",
    "DATA_SCHEMA": "quilate.checks.data.data_schema:DataSchema",
    "LOAD_TEST": "quilate.checks.delivery.load_test:LoadTest",
    "MODEL_FAIRNESS": "quilate.checks.model.model_fairness:ModelFairness",
    "MODEL_METRICS": "quilate.checks.model.model_metrics:ModelMetrics",
    "SAST": "quilate.checks.security.sast:Sast",
    "SECRETS": "quilate.checks.security.secrets:Secrets",
    "TLS_POLICY": "quilate.checks.security.tls_policy:TlsPolicy",
    "UNIT_TESTS": "quilate.checks.code.unit_tests:UnitTests",
}

CHECK_TYPES = MappingProxyType(_TARGETS)
"""Every check type that Quilate brings or a module has registered, and where it is; those of plugins are not in it."""


def _owner(check_type: str) -> str:
    module = CHECK_TYPES.get(check_type, "").partition(":")[0]
    return "Quilate" if module.startswith("quilate.") else module


PLUGIN_CHECKS = PluginNames(
    group=CHECKS, noun="check type", form="of the form TODO_COMMENTS", pattern=r"[A-Z][A-Z0-9_]{0,99}", owner=_owner
)
"""The check types that installed plugins bring."""


def check_types() -> tuple[str, ...]:
    """Return every known check type in its order, those of plugins included."""
    return tuple(sorted({*CHECK_TYPES, *PLUGIN_CHECKS.usable()}))


def is_check_type(name: str) -> bool:
    """Return whether a blueprint may name it."""
    return name in CHECK_TYPES or name in PLUGIN_CHECKS.usable() or PLUGIN_CHECKS.quarrel(name) is not None


def failure_of(check: Check) -> str:
    """Return why the check of a plugin cannot be used, or an empty text."""
    return str(getattr(check, "failure", ""))


def register_check(check_type: str, target: str) -> None:
    """Add a check type that lives outside Quilate, as ``"module:Class"``, for this process and its children.

    Raises:
        ConfigurationError: The type is taken.
    """
    if _TARGETS.setdefault(check_type, target) != target:
        raise ConfigurationError(f"the check type {check_type!r} is taken", next_step="choose another name")


def load_check(check_type: str) -> Check:
    """Return an instance of the check type; one of a plugin that is broken can be planned and never run.

    Raises:
        ConfigurationError: There is no such type; names the nearest one.
    """
    target = CHECK_TYPES.get(check_type)
    if target is None:
        return _load_plugin(check_type)
    module_name, class_name = target.split(":")
    check: Check = getattr(import_module(module_name), class_name)()
    return check


def _load_plugin(check_type: str) -> Check:
    found, quarrel = PLUGIN_CHECKS.usable().get(check_type), PLUGIN_CHECKS.quarrel(check_type)
    if found is None and quarrel is None:
        raise ConfigurationError(
            f"unknown check type {check_type!r}{nearest_hint(check_type, check_types())}",
            next_step="`quilate check list` shows all types",
        )
    from quilate.checks.plugins import plugin_check, refused_check  # noqa: PLC0415 - only where plugins are

    if found is not None:
        return cast("Check", plugin_check(found))
    assert quarrel is not None  # noqa: S101 - one of the two is there; told to the type checker
    return cast("Check", refused_check(quarrel))
