"""Guess what a repository holds, say why, and write a ``quilate.yaml`` to start from."""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from quilate.blueprints.listing import listed_files
from quilate.blueprints.model import Blueprint, BlueprintCheck, ProjectFile
from quilate.blueprints.parameters import required_names
from quilate.blueprints.references import load_blueprint
from quilate.checks.registry import load_check

MAX_READ_FILES = 500
MAX_READ_BYTES = 64 << 10

_DATA_SUFFIXES = (".csv", ".tsv", ".parquet", ".ndjson", ".jsonl")
_TRUTH, _PREDICTED = "y_true", ("y_pred", "score")
_IMPORT = re.compile(r"^[ \t]*(?:import|from)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
_CRYPTO = frozenset(
    {"cryptography", "hashlib", "hmac", "ssl", "secrets", "Crypto", "Cryptodome", "nacl", "jwt", "jose"}
)
_WEB = frozenset({"fastapi", "flask", "django", "starlette", "aiohttp", "tornado", "falcon", "litestar", "sanic"})
_MODELS = frozenset({"sklearn", "torch", "tensorflow", "keras", "xgboost", "lightgbm", "catboost", "onnxruntime"})
_OPENAPI = re.compile(r"""^\s*["']?openapi["']?\s*:\s*["']?3\.""", re.MULTILINE)
_GROUP = re.compile(r"(?:^|_)(?:group|gender|sex|age_group|age_band|race|ethnicity|region)(?:_|$)", re.IGNORECASE)
_NOT_A_NAME = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """What was found in a directory.

    Attributes:
        root: The directory.
        python: Number of Python files and notebooks, tests included.
        tests: Number of Python test files.
        data: Data files, predictions left out.
        predictions: Files that hold the truth beside what a model said, with their columns.
        contracts: Data contracts.
        openapi: Descriptions of an HTTP interface.
        imports: Top-level modules that the Python code imports.
    """

    root: Path
    python: int = 0
    tests: int = 0
    data: tuple[str, ...] = ()
    predictions: Mapping[str, tuple[str, ...]]
    contracts: tuple[str, ...] = ()
    openapi: tuple[str, ...] = ()
    imports: frozenset[str] = frozenset()

    @property
    def model(self) -> bool:
        """There is a model: its predictions, or code that trains or runs one."""
        return bool(self.predictions) or not self.imports.isdisjoint(_MODELS)

    @property
    def service(self) -> bool:
        """There is an HTTP service."""
        return bool(self.openapi) or not self.imports.isdisjoint(_WEB)

    @property
    def cryptography(self) -> bool:
        """The code does cryptography."""
        return not self.imports.isdisjoint(_CRYPTO)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The blueprint that fits, its project type, and why."""

    blueprint: str
    type: str
    reason: str


def detect(root: Path) -> Detection:
    """Look at the files below ``root``; reads the beginning of at most 500 of them and never fails on their content."""
    names = listed_files(root)
    python = [name for name in names if name.endswith((".py", ".ipynb"))]
    tests = [name for name in python if _is_test(name)]
    data = [name for name in names if name.endswith(_DATA_SUFFIXES) and not _is_test(name)]
    predictions = {}
    for name in data[:MAX_READ_FILES]:
        columns = _columns(root, name)
        if _TRUTH in columns and any(column in columns for column in _PREDICTED):
            predictions[name] = columns
    imports = {module for name in python[:MAX_READ_FILES] for module in _IMPORT.findall(_beginning(root, name))}
    return Detection(
        root=root,
        python=len(python),
        tests=len(tests),
        data=tuple(name for name in data if name not in predictions),
        predictions=predictions,
        contracts=tuple(name for name in names if name.endswith((".contract.yaml", ".contract.yml"))),
        openapi=tuple(_openapi_files(root, names)),
        imports=frozenset(imports),
    )


def _is_test(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name.startswith("test_") or path.stem.endswith("_test") or "tests" in path.parts[:-1]


def _openapi_files(root: Path, names: Iterable[str]) -> Iterable[str]:
    candidates = [name for name in names if name.endswith((".json", ".yaml", ".yml")) and not _is_test(name)]
    likely = [name for name in candidates if re.search(r"openapi|swagger|api", PurePosixPath(name).name.lower())]
    return (name for name in likely[:MAX_READ_FILES] if _OPENAPI.search(_beginning(root, name).replace("{", "\n")))


def _beginning(root: Path, name: str) -> str:
    path = root / name
    try:
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            return ""
        with path.open("rb") as stream:
            return stream.read(MAX_READ_BYTES).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""


def _columns(root: Path, name: str) -> tuple[str, ...]:
    if name.endswith(".parquet"):
        return _parquet_columns(root, name)
    first = _beginning(root, name).lstrip("\ufeff").split("\n", 1)[0].rstrip("\r")
    if name.endswith((".ndjson", ".jsonl")):
        try:
            record = json.loads(first)
        except (ValueError, RecursionError):
            return ()
        return tuple(record) if isinstance(record, dict) else ()
    try:
        return tuple(next(csv.reader([first], delimiter="\t" if name.endswith(".tsv") else ","), []))
    except csv.Error:
        return ()


def _parquet_columns(root: Path, name: str) -> tuple[str, ...]:
    try:
        import polars  # noqa: PLC0415, ICN001 - 80 ms that only projects with Parquet files need
    except ImportError:
        return ()
    path = root / name
    try:
        if not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
            return ()
        return tuple(polars.read_parquet_schema(path))
    except (OSError, ValueError, polars.exceptions.PolarsError, polars.exceptions.PanicException):
        return ()


def choose(detection: Detection) -> Choice:
    """Return the built-in blueprint for what was found: the first that fits, from the most to the least it asks."""
    if detection.model and detection.cryptography and detection.data:
        return Choice(blueprint="ds-ia-crypto", type="ds", reason="a model, data and code that does cryptography")
    if detection.model and detection.service:
        return Choice(blueprint="realtime-ml", type="ml-service", reason="a model behind an HTTP service")
    if detection.model or (detection.data and not detection.service):
        reason = "a model" if detection.model else "data files"
        return Choice(blueprint="ds-batch", type="ds", reason=f"{reason} without an HTTP service")
    if detection.service:
        return Choice(blueprint="api-secure", type="service", reason="an HTTP service")
    reason = "code that does cryptography" if detection.cryptography else "code without data, model or service"
    return Choice(blueprint="crypto-lib", type="library", reason=reason)


def detect_project(root: Path) -> ProjectFile:
    """Return the project file that the content of ``root`` suggests."""
    detection = detect(root)
    choice = choose(detection)
    blueprint = load_blueprint(choice.blueprint, root)
    bindings = {str(check.id): binding for check, binding in _bindings(detection, blueprint) if binding}
    return ProjectFile(
        project=_name_of(root),
        type=choice.type,
        blueprint=choice.blueprint,
        root=str(root.resolve()),
        bindings=bindings,
        detected=True,
    )


def _name_of(root: Path) -> str:
    name = _NOT_A_NAME.sub("-", root.resolve().name).lstrip("-.0123456789").rstrip("-.")
    return name[:100] or "project"


def _bindings(detection: Detection, blueprint: Blueprint) -> list[tuple[BlueprintCheck, dict[str, Any]]]:
    return [
        (check, _binding(check.type, detection))
        for stage in blueprint.stages
        for check in stage.checks
        if required_names(load_check(check.type).binding)
    ]


def _binding(check_type: str, detection: Detection) -> dict[str, Any]:
    """Return what was found for a check type, complete or not at all."""
    contract = next(iter(detection.contracts), "")
    data = _data_of(contract, detection.data)
    predictions = next(iter(detection.predictions), "")
    groups = [column for column in detection.predictions.get(predictions, ()) if _GROUP.search(column)]
    candidates: dict[str, dict[str, Any]] = {
        "DATA_SCHEMA": {"dataset": data, "contract": contract},
        "DATA_PROFILING": {"dataset": data},
        "MODEL_METRICS": {"predictions": predictions},
        "MODEL_FAIRNESS": {"predictions": predictions, "groups": groups},
    }
    binding = candidates.get(check_type, {})
    return binding if all(binding.values()) else {}


def _data_of(contract: str, data: tuple[str, ...]) -> str:
    """Return the data file named like the contract, else the first."""
    stem = PurePosixPath(contract).name.removesuffix(".yaml").removesuffix(".yml").removesuffix(".contract")
    return next((name for name in data if stem and PurePosixPath(name).stem == stem), next(iter(data), ""))


def describe(detection: Detection) -> tuple[str, ...]:
    """Return what was found, one line each, for people."""
    lines = [
        f"{detection.python} Python files, {detection.tests} of them tests" if detection.python else "no Python code"
    ]
    listed = [
        ("data", detection.data),
        ("predictions", tuple(detection.predictions)),
        ("data contracts", detection.contracts),
        ("OpenAPI", detection.openapi),
    ]
    lines += [f"{label}: {_shortened(names)}" for label, names in listed if names]
    for label, modules in (("model code", _MODELS), ("web framework", _WEB), ("cryptography", _CRYPTO)):
        used = sorted(detection.imports & modules)
        lines += [f"{label}: imports {', '.join(used)}"] if used else []
    return tuple(lines)


def _shortened(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004 - enough to recognise them by
    return ", ".join(names[:3]) + more


def project_text(detection: Detection) -> str:
    """Return a ``quilate.yaml`` with comments for what was found; what is missing stands there as a comment."""
    choice = choose(detection)
    blueprint = load_blueprint(choice.blueprint, detection.root)
    lines = [
        "# What this project is and what its checks are bound to; `quilate plan` shows what follows from it.",
        "version: 1",
        f"project: {_name_of(detection.root)}",
        f"type: {choice.type}",
        f"# Chosen for {choice.reason}. `quilate blueprint list` shows the others.",
        f"blueprint: {choice.blueprint}",
    ]
    bindings = _bindings(detection, blueprint)
    if any(binding for _, binding in bindings):
        lines += ["", "bindings:"]
    elif bindings:
        lines += ["", "# Without a binding a check cannot run, and the verdict stays undecided.", "bindings: {}"]
    for check, binding in bindings:
        lines += _binding_lines(check, binding)
    lines += ["", "# Files that are not judged, as globs.", "exclude: []", ""]
    return "\n".join(lines)


def has_gaps(detection: Detection) -> bool:
    """Return whether ``project_text`` marks a check whose binding was not found."""
    blueprint = load_blueprint(choose(detection).blueprint, detection.root)
    return not all(binding for _, binding in _bindings(detection, blueprint))


def _quoted(value: Any) -> str:
    """Return a value as JSON, which is YAML; what a terminal would obey, or UTF-8 cannot hold, is an escape."""
    text = json.dumps(value, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(value)


def _binding_lines(check: BlueprintCheck, binding: Mapping[str, Any]) -> list[str]:
    if binding:
        return [
            f"  {check.id}:",
            *(f"    {name}: {_quoted(value)}" for name, value in binding.items()),
        ]
    missing = ", ".join(f"{name}: …" for name in required_names(load_check(check.type).binding))
    word = "required" if check.required else "not required"
    return [
        f"  # {check.id} ({check.type}, {word}) was not found; bind it like this:",
        f"  # {check.id}: {{{missing}}}",
    ]
