"""Earlier versions of a project's blueprint, for comparison."""

import os
from pathlib import Path

from quilate.blueprints.model import Blueprint
from quilate.blueprints.references import builtin_names, load_blueprint, parse_blueprint_text
from quilate.blueprints.yaml_positions import shown
from quilate.domain.errors import ConfigurationError
from quilate.kit.git import git_output


def blueprint_file(reference: str, root: Path) -> Path | None:
    """Return the file that a reference names, or ``None`` for a built-in or pinned blueprint."""
    if "://" in reference or reference in builtin_names():
        return None
    path = Path(os.path.realpath(root / reference))
    return path if path.is_file() else None


def committed_version(reference: str, root: Path) -> Blueprint | None:
    """Return the blueprint at git's HEAD where its file was changed since, else ``None``."""
    path = blueprint_file(reference, root)
    if path is None:
        return None
    content = _at_revision(path, "HEAD")
    if content is None or content == path.read_bytes():
        return None
    return parse_blueprint_text(content, f"HEAD:{path.name}", path.parent)


def earlier_version(against: str, reference: str, root: Path) -> Blueprint:
    """Return the blueprint to compare with: another blueprint's reference, or a git revision of the project's own.

    Raises:
        ConfigurationError: There is neither, or the earlier version is wrong.
    """
    if "://" in against or against in builtin_names() or (root / against).is_file() or Path(against).is_file():
        inside = against if (root / against).is_file() else str(Path(against).absolute())
        return load_blueprint(inside if "://" not in against and against not in builtin_names() else against, root)
    path = blueprint_file(reference, root)
    if path is None:
        raise ConfigurationError(
            f"{shown(against)!r} is no blueprint, and {shown(reference)} is no file with a history",
            next_step="give a built-in blueprint, a file or a pinned URL",
        )
    content = _at_revision(path, against)
    if content is None:
        raise ConfigurationError(
            f"{shown(against)!r} is neither a blueprint nor a git revision that holds {path.name}",
            next_step="`git log -- FILE` shows the revisions of a file",
        )
    return parse_blueprint_text(content, f"{against}:{path.name}", path.parent)


def _at_revision(path: Path, revision: str) -> bytes | None:
    # A revision that begins with a dash would be read as an option, one with a colon as another path.
    if revision.startswith("-") or ":" in revision or "\0" in revision:
        return None
    return git_output(path.parent, "cat-file", "blob", f"{revision}:./{path.name}")
