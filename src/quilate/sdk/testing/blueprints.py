"""Judge a plugin's blueprint in its own tests, as a run's plan does."""

from pathlib import Path

from quilate.blueprints.model import Blueprint, Plan, ProjectFile
from quilate.blueprints.planner import make_plan
from quilate.blueprints.references import parse_blueprint_text

__all__ = ["plan_of", "read_blueprint"]


def read_blueprint(text: str, label: str = "blueprint.yaml") -> Blueprint:
    """Return the blueprint that a YAML text holds; ``label`` names it in messages.

    Raises:
        ConfigurationError: One thing in it is wrong.
        ConfigurationErrors: Several things are.
    """
    return parse_blueprint_text(text.encode(), label, Path.cwd())


def plan_of(blueprint: Blueprint) -> Plan:
    """Return the plan for a project of the blueprint's own type without bindings: stages, checks, policies, facts.

    Raises:
        ConfigurationError: A rule reads what no check measures, or stages need each other in a circle.
        ConfigurationErrors: Several things are wrong.
    """
    types = blueprint.project_types
    project = ProjectFile(
        root=str(Path.cwd()), project="example", type=types[0] if types else "project", blueprint=blueprint.document.id
    )
    return make_plan(project, blueprint)
