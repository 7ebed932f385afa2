"""What plugins may import: the names that stay, and what importing them costs (C19)."""

import subprocess
import sys
from importlib import import_module

import pytest

PUBLIC = {
    "quilate.sdk.checks": (
        "Artifact Canary Check ConfigurationError Context Evidence EvidenceError EvidenceTimeoutError Fact FactSpec "
        "FactType Finding FindingKind Inputs Isolation Location NoBinding ProcessLimits ProcessResult Queue RuleId "
        "Severity Tool ToolMissingError Undecided Workspace boolean_fact number_fact register_check text_fact"
    ),
    "quilate.sdk.connectors": (
        "ALL_EVENTS RUN_FINISHED RUN_QUEUED Connector ConnectorKind DeliveredEvent DeliveryContext DeliveryError "
        "NoSettings Outcome OutcomeKind OutgoingAnswer OutgoingError OutgoingHttp ReportedCheck ReportedFinding "
        "RunReport SecretSpec require_success retry_after"
    ),
    "quilate.sdk.service": ("CheckResult ConfigurationError ExitCode QuilateError RunStatus Severity Trigger Verdict"),
    "quilate.sdk.testing.blueprints": "plan_of read_blueprint",
    "quilate.sdk.testing.checks": "fact_values rules_of run_canary run_check",
    "quilate.sdk.testing.connectors": "ReceivedRequest Receiver deliver finished_run probe receiver",
}
NEVER = ("fastapi", "starlette", "psycopg", "pydantic", "httpx", "cryptography", "click", "rich", "strawberry")
HTTP = ("httpcore", "ssl", "asyncio")


@pytest.mark.parametrize("module", PUBLIC)
def test_the_public_names_are_these_and_all_are_there(module: str) -> None:
    found = import_module(module)

    assert sorted(found.__all__) == sorted(PUBLIC[module].split())
    assert all(hasattr(found, name) for name in found.__all__)


@pytest.mark.parametrize("module", PUBLIC)
def test_each_module_imports_only_what_it_needs(module: str) -> None:
    heavy = NEVER if "connectors" in module else (*NEVER, *HTTP)
    program = f"import sys, {module}; print(*(name for name in {heavy!r} if name in sys.modules))"

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
