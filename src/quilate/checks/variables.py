"""Which variables of the runner's environment the checks of a project may be given.

A project file and a blueprint name variables, and in a service both are written by tenants: without a list of what may
be given they could ask for whatever the installation's operator has set for others.
"""

from collections.abc import Iterable


def patterns_for(project: str, allowed: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return what of an installation's list holds for one project.

    Args:
        project: Slug of the project.
        allowed: Names and ``PREFIX_*``, each for all projects or, after ``slug:``, for one; ``None`` for any name.
    """
    if allowed is None:
        return None
    parted = (each.rpartition(":") for each in allowed)
    return tuple(pattern for slug, _, pattern in parted if slug in {"", project})


def is_given(variable: str, patterns: tuple[str, ...] | None) -> bool:
    """Return whether the checks of a project with these patterns may read a variable."""
    if patterns is None:
        return True
    return any(
        variable.startswith(pattern[:-1]) if pattern.endswith("*") else variable == pattern for pattern in patterns
    )
