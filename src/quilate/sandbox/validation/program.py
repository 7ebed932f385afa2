"""The trusted program that reads scripts: acorn, and our rules in JavaScript."""

from functools import cache
from importlib.resources import files

PARTS = (
    "names",
    "positions",
    "tree",
    "scopes",
    "folding",
    "regexes",
    "loops",
    "properties",
    "guards",
    "hints",
    "entry",
    "checker",
    "validator",
)
"""The files below ``javascript``, in the order in which they use each other."""


@cache
def validator_source() -> str:
    """Return the program: ``process({source, globals, needsCombine})`` gives what is wrong with a script.

    acorn is wrapped so that it adds no global name.
    """
    package = files("quilate.sandbox.validation")
    acorn = package.joinpath("vendor", "acorn.js").read_text(encoding="utf-8")
    ours = (package.joinpath("javascript", f"{name}.js").read_text(encoding="utf-8") for name in PARTS)
    wrapped = f"const acorn = (() => {{ const exports = {{}}, module = {{ exports }};\n{acorn}\nreturn exports; }})();"
    return "\n".join((wrapped, *ours))
