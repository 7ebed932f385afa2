"""The check types by name. A line is ``"module:Class"``, imported when the check is needed."""

from importlib import import_module
from types import MappingProxyType

from quilate.checks.api import Check
from quilate.domain.errors import ConfigurationError
from quilate.domain.nearest import nearest_hint

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
"""Every known check type and where it is."""


def register_check(check_type: str, target: str) -> None:
    """Add a check type that lives outside Quilate, as ``"module:Class"``, for this process and its children.

    Raises:
        ConfigurationError: The type is taken.
    """
    if _TARGETS.setdefault(check_type, target) != target:
        raise ConfigurationError(f"the check type {check_type!r} is taken", next_step="choose another name")


def load_check(check_type: str) -> Check:
    """Return an instance of the check type.

    Raises:
        ConfigurationError: There is no such type; names the nearest one.
    """
    target = CHECK_TYPES.get(check_type)
    if target is None:
        raise ConfigurationError(
            f"unknown check type {check_type!r}{nearest_hint(check_type, CHECK_TYPES)}",
            next_step="`quilate check list` shows all types",
        )
    module_name, class_name = target.split(":")
    check: Check = getattr(import_module(module_name), class_name)()
    return check
