"""Write the pages that come from the code: one per check type, and the command line reference.

``python scripts/generate_docs.py`` writes them; with ``--check`` it only compares and exits 1 where one is stale.
"""

import dataclasses
import inspect
import sys
from pathlib import Path
from typing import Any, cast

import click

from quilate.app.cli import COMMANDS, cli
from quilate.checks.registry import CHECK_TYPES, load_check
from quilate.kit.canonical import to_document

ROOT = Path(__file__).resolve().parent.parent


def check_page(check_type: str) -> str:
    """Return the page of one check type: its module's docstring, parameters, bindings and facts."""
    check = load_check(check_type)
    module = inspect.getmodule(type(check))
    documentation = inspect.cleandoc((module.__doc__ if module else "") or "")
    lines = [f"# {check_type}", "", documentation, "", "## Parameters", ""]
    lines += ["| name | type | profile |", "| --- | --- | --- |"]
    names = {field.name: _type_name(field.type) for field in dataclasses.fields(cast("Any", check.parameters))}
    for name in sorted({*names, *check.profile}):
        shipped = to_document(check.profile.get(name, "")) if name in check.profile else "none: the blueprint says it"
        lines.append(f"| `{name}` | {names.get(name, 'severity')} | `{shipped}` |")
    lines += ["", "## Binding", ""]
    bindings = dataclasses.fields(cast("Any", check.binding))
    if not bindings:
        lines.append("None: it judges the whole workspace.")
    else:
        lines += ["| name | type | required |", "| --- | --- | --- |"]
        for field in bindings:
            needed = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            lines.append(f"| `{field.name}` | {_type_name(field.type)} | {'yes' if needed else 'no'} |")
    lines += ["", f"Version {check.version}, queue `{check.queue.value}`, runs in a {check.isolation.value}.", ""]
    return "\n".join(lines)


def _type_name(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "") or str(annotation)
    if not isinstance(annotation, type):
        text = str(annotation)
    return text.replace("collections.abc.", "").replace("decimal.", "").replace("|", "\\|").replace("quilate.", "")


def command_line_page() -> str:
    """Return the reference of every command as its ``--help`` prints it."""
    lines = ["# The command line", "", "Generated from `quilate --help` and `quilate COMMAND --help`.", ""]
    root = click.Context(cli, info_name="quilate", terminal_width=100)
    lines += _help_of(cli, "quilate", root)
    for name in COMMANDS:
        command = cli.get_command(root, name)
        if command is None:
            continue
        lines += _help_of(command, f"quilate {name}", root)
        if isinstance(command, click.Group):
            for inner in command.list_commands(root):
                nested = command.get_command(root, inner)
                if nested is not None:
                    lines += _help_of(nested, f"quilate {name} {inner}", root)
    return "\n".join(lines)


def _help_of(command: click.Command, name: str, parent: click.Context) -> list[str]:
    context = click.Context(command, info_name=name, parent=None, terminal_width=100, color=False)
    del parent
    return [f"## {name}", "", "```text", command.get_help(context), "```", ""]


def pages() -> dict[Path, str]:
    """Return every generated page by its path."""
    found = {ROOT / "docs" / "checks" / f"{name.lower()}.md": check_page(name) for name in CHECK_TYPES}
    found[ROOT / "docs" / "command-line.md"] = command_line_page()
    return found


def main() -> int:
    """Write or compare the pages."""
    stale = []
    for path, content in pages().items():
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != content:
                stale.append(path)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    for path in stale:
        sys.stderr.write(f"{path.relative_to(ROOT)} is stale: run `python scripts/generate_docs.py`\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
