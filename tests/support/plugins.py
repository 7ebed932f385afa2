"""Packages of other people in a directory of their own: metadata and modules as an installer leaves them."""

from collections.abc import Mapping
from pathlib import Path

GOOD_CHECK = '''"""A check of a plugin."""
from quilate.sdk.checks import Canary, Evidence, FactSpec, FactType, Inputs, Isolation, NoBinding, Queue, number_fact


class Good:
    parameters = binding = NoBinding
    type = "GOOD"
    version = "1"
    profile = {"severity_threshold": "low"}
    queue = Queue.CODE
    isolation = Isolation.THREAD

    def produces(self, parameters):
        return (FactSpec(name="good_files", type=FactType.NUMBER, unit="count"),)

    def inputs(self, parameters, binding):
        return Inputs()

    def run(self, context):
        files = len(context.workspace.paths)
        return Evidence(summary="looked", facts=(number_fact("good_files", files, unit="count"),))

    def canary(self, directory):
        return Canary(expected_rules=("good/NEVER",))
'''

GOOD_CONNECTOR = '''"""A connector of a plugin."""
from quilate.sdk.connectors import ALL_EVENTS, ConnectorKind, NoSettings, Outcome


class Good:
    type = "good"
    kind = ConnectorKind.NOTIFY
    summary = "Says that all is well"
    settings = NoSettings
    secrets = ()
    events = ALL_EVENTS

    async def deliver(self, event, context):
        return Outcome(summary="delivered")

    async def probe(self, context):
        return Outcome(summary="works")
'''

BROKEN_CHECKS: Mapping[str, tuple[str, str]] = {
    "import": ("import nothing_of_this_name\n" + GOOD_CHECK, "ModuleNotFoundError"),
    "syntax": ("class Good(:\n", "SyntaxError"),
    "leaves": ("raise SystemExit(7)\n", "SystemExit: 7"),
    "no-class": ("", "AttributeError"),
    "creation": (
        GOOD_CHECK + "\n    def __init__(self):\n        raise OSError('no licence')\n",
        "OSError: no licence",
    ),
    "lacks-run": (GOOD_CHECK.replace("def run(", "def other("), "Good lacks run"),
    "other-type": (GOOD_CHECK.replace('"GOOD"', '"BETTER"'), "its type is 'BETTER'"),
    "no-dataclass": (GOOD_CHECK.replace("binding = NoBinding", "binding = dict"), "not a dataclass"),
    "no-threshold": (GOOD_CHECK.replace('{"severity_threshold": "low"}', "{}"), "severity_threshold"),
    "produces": (
        GOOD_CHECK.replace("return (FactSpec", "return 1 / 0, (FactSpec"),
        "produces raised ZeroDivisionError",
    ),
    "inputs": (GOOD_CHECK.replace("return Inputs()", "return {}"), "inputs returned dict instead of Inputs"),
    "run": (GOOD_CHECK.replace("files = len(", "files = 1 / len(()) + len("), "run raised ZeroDivisionError"),
    "run-leaves": (
        GOOD_CHECK.replace("files = len(", "raise SystemExit(0)\n        files = len("),
        "run raised SystemExit",
    ),
    "no-evidence": (GOOD_CHECK.replace('return Evidence(summary="looked", ', "return dict("), "run returned dict"),
    "odd-evidence": (GOOD_CHECK.replace("facts=(", "findings=(1,), facts=("), "evidence that cannot be read"),
}
"""By what is wrong: the module, and what the reason says."""


def install(
    site: Path, name: str, entry_points: Mapping[str, Mapping[str, str]], modules: Mapping[str, str] | None = None
) -> None:
    """Leave in ``site`` what an installer leaves there of the distribution ``name`` 1.0."""
    folder = site / f"{name.replace('-', '_')}-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    sections = [
        f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in points.items())
        for group, points in entry_points.items()
    ]
    (folder / "entry_points.txt").write_text("\n".join(sections), encoding="utf-8")
    for place, text in (modules or {}).items():
        (site / place).parent.mkdir(parents=True, exist_ok=True)
        (site / place).write_text(text, encoding="utf-8")


def install_check(site: Path, text: str = GOOD_CHECK, *, module: str = "good_plugin") -> None:
    """Install a distribution ``quilate-good`` with the check ``GOOD``."""
    install(site, "quilate-good", {"quilate.checks": {"GOOD": f"{module}:Good"}}, {f"{module}.py": text})
