"""A blueprint, a project file and the plan made from both."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from quilate.blueprints.yaml_positions import LocatedText
from quilate.checks.api import Inputs, Isolation, Queue
from quilate.domain.errors import ConfigurationError, SourcePosition
from quilate.domain.ids import CheckId, CheckType, StageName
from quilate.domain.severity import Severity
from quilate.evidence.model import FactSpec
from quilate.policy.model import PolicyRule, VersionedDocument, Vocabulary, Waiver


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintCheck:
    """A check as the blueprint writes it. ``parameters`` are raw: all keys that are not the format's own."""

    id: CheckId
    type: CheckType
    required: bool = True
    parameters: Mapping[str, Any] = field(default_factory=dict)
    needs: tuple[CheckId, ...] = ()
    when: str = ""
    timeout_seconds: float | None = None
    retries: int = 0
    severity: Severity | None = None
    enforce_from: date | None = None
    fresh_for_seconds: float | None = None
    effects: bool = False
    position: SourcePosition = SourcePosition(path="")
    parameter_positions: Mapping[str, SourcePosition] = field(default_factory=dict)
    needs_positions: Mapping[str, SourcePosition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class BlueprintStage:
    """A stage; ``needs`` is ``None`` where it follows the stage before it."""

    name: StageName
    checks: tuple[BlueprintCheck, ...]
    description: str = ""
    needs: tuple[StageName, ...] | None = None
    when: str = ""
    effects: bool = False
    position: SourcePosition = SourcePosition(path="")
    needs_positions: Mapping[str, SourcePosition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blueprint:
    """A versioned blueprint; ``digest`` in ``document`` covers its canonical content after ``extends``.

    ``waivers_need_approval``: waivers bind only from the protected branch. ``texts`` holds the places of the rules
    and conditions, under ``policy <name>``, ``stage <name> when`` and ``check <id> when``.
    """

    document: VersionedDocument
    project_types: tuple[str, ...]
    stages: tuple[BlueprintStage, ...]
    policies: tuple[PolicyRule, ...]
    description: str = ""
    waivers_need_approval: bool = False
    concurrency_key: str = ""
    supersede: bool = False
    source: str = ""
    texts: Mapping[str, LocatedText] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFile:
    """A project's ``quilate.yaml``.

    ``bindings`` maps check ids to raw bindings. ``root`` is the absolute directory of the file. ``detected`` says
    that there is no file and the content was detected. ``secrets`` maps the names that checks ask for to environment
    variables. ``positions`` holds where the top keys stand.
    """

    project: str
    type: str
    blueprint: str
    root: str
    bindings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    binding_positions: Mapping[str, SourcePosition] = field(default_factory=dict)
    interpreter: str = ""
    exclude: tuple[str, ...] = ()
    waivers: tuple[Waiver, ...] = ()
    protected_branch: str = "main"
    projects: tuple[str, ...] = ()
    tickets: Mapping[str, Any] = field(default_factory=dict)
    detected: bool = False
    secrets: Mapping[str, str] = field(default_factory=dict)
    positions: Mapping[str, SourcePosition] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCheck:
    """A check ready to run.

    Attributes:
        parameters: Validated dataclass of the check's type, profile merged in.
        binding: Validated dataclass, or ``None`` where the project file lacks it.
        binding_error: Why ``binding`` is missing; the check then ends as ``error`` and says so.
        needs: Ids of the checks that must have ended before, its stage's order included.
        from_profile: Parameter names whose value the blueprint leaves to the profile.
    """

    id: CheckId
    type: CheckType
    version: str
    stage: StageName
    required: bool
    queue: Queue
    isolation: Isolation
    parameters: Any
    binding: Any
    severity_threshold: Severity
    inputs: Inputs
    produces: tuple[FactSpec, ...]
    needs: tuple[CheckId, ...] = ()
    when: tuple[str, ...] = ()
    effects: bool = False
    timeout_seconds: float = 600.0
    retries: int = 0
    severity: Severity | None = None
    enforce_from: date | None = None
    fresh_for_seconds: float | None = None
    binding_error: ConfigurationError | None = None
    from_profile: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All that a run will do, known before anything runs. Checks are in an order that respects ``needs``."""

    project: ProjectFile
    blueprint: Blueprint
    profile: VersionedDocument
    stages: tuple[BlueprintStage, ...]
    checks: tuple[PlannedCheck, ...]
    policies: tuple[PolicyRule, ...]
    vocabulary: Vocabulary
    evidence_needed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    partial: bool = False
    digest: str = ""
