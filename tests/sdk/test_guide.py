"""`docs/plugins.md`, followed word by word from an empty directory (C19).

Each command stands as the guide has it. The environment is one of its own that sees the packages beside the running
interpreter. `pip` is the real one where `hatchling` and `editables` are installed there; elsewhere, since tests use no
network, a program of this test leaves in its site-packages what an editable installation leaves.
"""

import os
import re
import subprocess
import sys
import venv
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8").partition("## How a plugin is found")[0]
_BLOCK = re.compile(r"(?:`(?P<file>[\w.]+)`:\n\n)?```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)

_STAND_IN = """\
import pathlib, sys, sysconfig, tomllib
assert sys.argv[1:] == ["install", "-e", "."], sys.argv
project = tomllib.loads(pathlib.Path("pyproject.toml").read_text("utf-8"))["project"]
site = pathlib.Path(sysconfig.get_path("purelib"))
name = project["name"].replace("-", "_")
info = site / f"{name}-{project['version']}.dist-info"
info.mkdir()
(info / "METADATA").write_text(f"Metadata-Version: 2.1\\nName: {project['name']}\\nVersion: {project['version']}\\n")
points = project["entry-points"].items()
lines = [f"[{group}]\\n" + "".join(f"{key} = {value}\\n" for key, value in each.items()) for group, each in points]
(info / "entry_points.txt").write_text("\\n".join(lines))
(site / f"_editable_{name}.pth").write_text(str(pathlib.Path("src").resolve()) + "\\n")
"""


def program(folder: Path, name: str, text: str) -> None:
    """Write a Python program as installers do."""
    (folder / name).write_text(f"#!{folder}/python\n{text}", encoding="utf-8")
    (folder / name).chmod(0o755)


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    place = tmp_path / "environment"
    real_pip = find_spec("hatchling") is not None and find_spec("editables") is not None
    venv.EnvBuilder(with_pip=real_pip, symlinks=True).create(place)
    site = next(place.glob("lib/python3*/site-packages"))
    installed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "beside.pth").write_text("".join(f"import site; site.addsitedir({path!r})\n" for path in installed))
    folder = place / "bin"
    program(folder, "quilate", "from quilate.app.cli import main\nmain()\n")
    program(folder, "pytest", "import sys, pytest\nsys.exit(pytest.main())\n")
    if not real_pip:
        program(folder, "pip", _STAND_IN)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("QUILATE_", "PYTEST_", "COV_"))}
    return {
        **kept,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "QUILATE_HOME": str(tmp_path / "home"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }


@pytest.mark.slow
def test_the_guide_holds_word_by_word(tmp_path: Path, environment: dict[str, str]) -> None:
    directory = start = tmp_path / "empty"
    start.mkdir()
    said: dict[str, str] = {}
    for block in _BLOCK.finditer(GUIDE):
        if block["file"]:
            (directory / block["file"]).write_text(block["text"], encoding="utf-8")
        elif block["kind"] == "text":
            for name in block["text"].split():
                assert (start / name).is_file(), name
        else:
            assert block["kind"] == "console", "a file without its name, or a block that nobody follows"
            directory = follow(block["text"], directory, environment, said)

    assert "TODO" not in said["quilate run"]
    assert said["quilate run (exit 1)"].count("score.py:1") == 1
    assert len(said["quilate plugin list"].splitlines()) == 3
    assert "✗" not in said["quilate plugin list"]
    assert "token: optional" in said["quilate connector show status-board"]
    assert said["quilate blueprint show house-rules"].startswith("id: house-rules")


def follow(text: str, directory: Path, environment: dict[str, str], said: dict[str, str]) -> Path:
    """Run the commands of a block; a line ``exit N`` after one is its exit code. Return where they lead."""
    lines = text.splitlines()
    for place, line in enumerate(lines):
        if not line.startswith("$ "):
            continue
        command = line.removeprefix("$ ")
        following = lines[place + 1] if place + 1 < len(lines) else ""
        code = int(following.removeprefix("exit ")) if following.startswith("exit ") else 0
        if command.startswith("cd "):
            directory = (directory / command.removeprefix("cd ")).resolve()
            continue
        done = subprocess.run(
            ["sh", "-c", command],
            cwd=directory,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == code, f"{command}: {done.returncode}\n{done.stdout}{done.stderr}"
        said[f"{command} (exit {code})" if code else command] = done.stdout
    return directory
