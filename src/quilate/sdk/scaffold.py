"""Write a plugin to begin with: a package with one part, its test, and the entry point that makes it known."""

import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from quilate.blueprints.references import library_names
from quilate.checks.registry import CHECK_TYPES
from quilate.domain.errors import ConfigurationError

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST_NAME = 50
_TOKEN = re.compile(r"\{\{(\w+)\}\}")


class PluginKind(StrEnum):
    """What a plugin can bring."""

    CHECK = "check"
    CONNECTOR = "connector"
    BLUEPRINT = "blueprint"


_FILES: Mapping[PluginKind, Mapping[str, str]] = {
    PluginKind.CHECK: {
        "check.py": "src/{{package}}/check.py",
        "test_check.py": "tests/test_check.py",
    },
    PluginKind.CONNECTOR: {
        "connector.py": "src/{{package}}/connector.py",
        "test_connector.py": "tests/test_connector.py",
    },
    PluginKind.BLUEPRINT: {
        "blueprint.yaml": "src/{{package}}/{{name}}.yaml",
        "test_blueprint.py": "tests/test_blueprint.py",
    },
}
_EVERY_FILE = {"pyproject.toml": "pyproject.toml", "README.md": "README.md", "init.py": "src/{{package}}/__init__.py"}


def write_plugin(name: str, kind: PluginKind, parent: Path) -> tuple[Path, tuple[Path, ...]]:
    """Write a plugin below ``parent``; return its directory and its files.

    Args:
        name: Small letters, digits and hyphens: ``todo-comments``.
        kind: What it brings.
        parent: Where its directory ``quilate-<name>`` is made.

    Raises:
        ConfigurationError: The name does not do, is taken by Quilate itself, or the directory is there already.
    """
    words = _words(name)
    _refuse_taken(name, kind, words)
    target = parent / words["distribution"]
    texts = {
        _filled(place, words): _filled((_TEMPLATES / kind / f"{source}.template").read_text(encoding="utf-8"), words)
        for source, place in {**_EVERY_FILE, **_FILES[kind]}.items()
    }
    try:
        target.mkdir()
        for place, text in texts.items():
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            (target / place).write_text(text, encoding="utf-8")
    except FileExistsError as error:
        raise ConfigurationError(f"{target} is there already", next_step="choose another name, or remove it") from error
    except OSError as error:
        raise ConfigurationError(f"{target} cannot be written: {error.strerror}") from error
    return target, tuple(target / place for place in sorted(texts))


def _words(name: str) -> Mapping[str, str]:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ConfigurationError(
            f"{name[:100]!r} is no name for a plugin",
            next_step=f"small letters, digits and single hyphens, {_LONGEST_NAME} at most: todo-comments",
        )
    return {
        "name": name,
        "identifier": name.replace("-", "_"),
        "distribution": f"quilate-{name}",
        "package": f"quilate_{name.replace('-', '_')}",
        "class": "".join(part.capitalize() for part in name.split("-")),
        "check_type": name.replace("-", "_").upper(),
    }


def _refuse_taken(name: str, kind: PluginKind, words: Mapping[str, str]) -> None:
    # The names of connectors lie above this floor: the command looks at those itself.
    checks, blueprints = kind is PluginKind.CHECK, kind is PluginKind.BLUEPRINT
    if (checks and words["check_type"] in CHECK_TYPES) or (blueprints and name in library_names()):
        raise ConfigurationError(f"Quilate has a {kind} of the name {name!r} itself", next_step="choose another name")


def _filled(text: str, words: Mapping[str, str]) -> str:
    return _TOKEN.sub(lambda match: words[match[1]], text)
