"""Writes the demonstration project, with its flaws or without."""

import json
import os
import socket
import sys
from pathlib import Path

from quilate.app.demo import code, data, service_code
from quilate.app.demo.certificates import make_authority
from quilate.domain.errors import ConfigurationError

PRIVATE = ".demo"
"""Where the service's keys lie in the project; excluded from what is judged."""

_SHORT_DAYS, _FIXED_DAYS = 3, 90

_PROJECT_FILE = """\
# Which file or address each check of the blueprint judges.
version: 1
project: credit-risk
type: ml-service
blueprint: ds-ia-crypto
interpreter: {interpreter}
exclude:
  - {private}/**
bindings:
  code_lint:
    paths: [credit_risk, tests]
  sast:
    paths: [credit_risk]
  crypto_static_analysis:
    paths: [credit_risk]
  schema_validation:
    dataset: data/applications.csv
    contract: data/applications.contract.yaml
  data_quality_profile:
    dataset: data/applications.csv
  offline_metrics:
    predictions: model/predictions.csv
  fairness_check:
    predictions: model/predictions.csv
    groups: [age_group]
  perf_test:
    url: http://127.0.0.1:{port}/score
    method: POST
    body: {body}
  penetration_test:
    openapi: http://127.0.0.1:{port}/openapi.json
  tls_policy:
    url: https://127.0.0.1:{tls_port}
    ca_file: deploy/authority.pem
"""

_PYPROJECT = """\
[project]
name = "credit-risk"
version = "1.0.0"
requires-python = ">=3.11"

[tool.pytest.ini_options]
testpaths = ["tests"]
pythonpath = ["."]
# These tests use no plugins, and loading what is installed beside pytest takes longer than the tests.
addopts = [
  "-pno:schemathesis", "-pno:hypothesispytest", "-pno:asyncio", "-pno:anyio",
  "-pno:xdist", "-pno:xdist.looponfail", "-pno:platformdirs", "-pno:socket",
]

[tool.coverage.run]
source = ["credit_risk"]

[tool.ruff]
target-version = "py311"
line-length = 120
lint.select = ["E4", "E7", "E9", "F"]
"""


def write_project(directory: Path, *, flaws: bool) -> None:
    """Write the whole project into an empty or new directory; the service's ports are free ones of this machine.

    Raises:
        ConfigurationError: There is something in the directory.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ConfigurationError(f"{directory} is not empty", next_step="give a new or empty directory")
    port, tls_port = _free_ports()
    applications = [{"income": 2000 + 100 * number, "debt": 500 * number} for number in range(24)]
    _write(
        directory / "quilate.yaml",
        _PROJECT_FILE.format(
            interpreter=json.dumps(sys.executable),
            private=PRIVATE,
            port=port,
            tls_port=tls_port,
            body=json.dumps({"applications": applications}),
        ),
    )
    _write(directory / "pyproject.toml", _PYPROJECT)
    _write(directory / "credit_risk" / "__init__.py", '"""Credit risk: scores, exports, pseudonyms, a service."""\n')
    _write(directory / "tests" / "test_credit_risk.py", code.tests())
    _write(directory / "data" / "applications.contract.yaml", data.CONTRACT)
    make_authority(directory / "deploy" / "authority.pem", directory / PRIVATE / "authority.key")
    _write_changing(directory, flawed=flaws)


def apply_fixes(directory: Path) -> tuple[str, ...]:
    """Write the fixed content of every flawed file and return their names."""
    return _write_changing(directory, flawed=False)


def _write_changing(directory: Path, *, flawed: bool) -> tuple[str, ...]:
    contents = {
        "credit_risk/scoring.py": code.scoring(flawed=flawed),
        "credit_risk/export.py": code.export(flawed=flawed),
        "credit_risk/tokens.py": code.tokens(flawed=flawed),
        "credit_risk/service.py": service_code.service(flawed=flawed),
        "data/applications.csv": data.applications(flawed=flawed),
        "model/predictions.csv": data.predictions(flawed=flawed),
        "deploy/tls.json": json.dumps({"valid_days": _SHORT_DAYS if flawed else _FIXED_DAYS}) + "\n",
    }
    for name, content in contents.items():
        _write(directory / name, content)
    return tuple(contents)


def _write(file: Path, content: str) -> None:
    """Write a file anew; its time differs from before, so that Python never runs a stale compilation."""
    before = file.stat().st_mtime_ns if file.exists() else 0
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content, encoding="utf-8", newline="\n")
    if before:
        os.utime(file, ns=(before + 2_000_000_000, before + 2_000_000_000))


def _free_ports() -> tuple[int, int]:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        return int(first.getsockname()[1]), int(second.getsockname()[1])
