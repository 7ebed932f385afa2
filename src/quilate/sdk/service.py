"""Words that plugins share with the service: verdicts, results, states, errors, and what began a run."""

from quilate.domain.errors import ConfigurationError, ExitCode, QuilateError
from quilate.domain.severity import Severity
from quilate.domain.verdict import CheckResult, RunStatus, Verdict
from quilate.runs.triggers.model import Trigger

__all__ = [
    "CheckResult",
    "ConfigurationError",
    "ExitCode",
    "QuilateError",
    "RunStatus",
    "Severity",
    "Trigger",
    "Verdict",
]
