"""What a check of a plugin is made of.

A check is a class with the attributes and methods of ``Check``. Its distribution names it in ``pyproject.toml``::

    [project.entry-points."quilate.checks"]
    TODO_COMMENTS = "quilate_todo_comments.check:TodoComments"

It touches the world through its ``Context`` only, says what it finds as ``Evidence``, and raises ``EvidenceError``
where it cannot find out: what was not measured never passes.
"""

from quilate.checks.api import Canary, Check, Context, Inputs, Isolation, NoBinding, Queue, Tool
from quilate.checks.registry import register_check
from quilate.checks.workspace import Workspace
from quilate.domain.errors import ConfigurationError, EvidenceError, EvidenceTimeoutError, ToolMissingError
from quilate.domain.ids import RuleId
from quilate.domain.severity import Severity
from quilate.evidence.model import (
    Artifact,
    Evidence,
    Fact,
    FactSpec,
    FactType,
    Finding,
    FindingKind,
    Location,
    Undecided,
    boolean_fact,
    number_fact,
    text_fact,
)
from quilate.kit.process.model import ProcessLimits, ProcessResult

__all__ = [
    "Artifact",
    "Canary",
    "Check",
    "ConfigurationError",
    "Context",
    "Evidence",
    "EvidenceError",
    "EvidenceTimeoutError",
    "Fact",
    "FactSpec",
    "FactType",
    "Finding",
    "FindingKind",
    "Inputs",
    "Isolation",
    "Location",
    "NoBinding",
    "ProcessLimits",
    "ProcessResult",
    "Queue",
    "RuleId",
    "Severity",
    "Tool",
    "ToolMissingError",
    "Undecided",
    "Workspace",
    "boolean_fact",
    "number_fact",
    "register_check",
    "text_fact",
]
