"""What a repository holds, and the quilate.yaml that follows from it (C02, C11, C19)."""

from pathlib import Path

import polars as pl
import pytest

from quilate.blueprints.detection import choose, detect, detect_project, project_text
from quilate.blueprints.planner import make_plan
from quilate.blueprints.project_file import load_project
from quilate.blueprints.references import load_blueprint

PREDICTIONS = "y_true,y_pred,age_group,income\n1,1,65+,10\n"


def fill(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("files", "blueprint"),
    [
        ({"lib/__init__.py": "import json\n"}, "crypto-lib"),
        ({"lib.py": "from cryptography.fernet import Fernet\n"}, "crypto-lib"),
        ({"app.py": "from fastapi import FastAPI\n"}, "api-secure"),
        ({"openapi.json": '{"openapi": "3.1.0"}'}, "api-secure"),
        ({"data/customers.csv": "id,name\n1,a\n", "job.py": "import csv\n"}, "ds-batch"),
        ({"train.py": "from sklearn.svm import SVC\n"}, "ds-batch"),
        ({"out/predictions.csv": PREDICTIONS, "app.py": "import flask\n"}, "realtime-ml"),
        ({"predictions.csv": PREDICTIONS, "data.csv": "a\n1\n", "crypto.py": "import hashlib\n"}, "ds-ia-crypto"),
        ({}, "crypto-lib"),
    ],
)
def test_the_blueprint_follows_from_the_content(tmp_path: Path, files: dict[str, str], blueprint: str) -> None:
    assert choose(detect(fill(tmp_path, files))).blueprint == blueprint


def test_what_was_found_is_bound(tmp_path: Path) -> None:
    fill(
        tmp_path,
        {
            "data/other.csv": "a\n1\n",
            "data/customers.csv": "id,name\n1,a\n",
            "customers.contract.yaml": "id: x\n",
            "out/predictions.csv": PREDICTIONS,
            "app.py": "import hashlib\n",
            "tests/test_app.py": "def test(): pass\n",
            "tests/data.csv": "y_true,y_pred\n",
        },
    )
    project = detect_project(tmp_path)
    assert project.detected
    assert project.bindings == {
        "schema_validation": {"dataset": "data/customers.csv", "contract": "customers.contract.yaml"},
        "data_quality_profile": {"dataset": "data/customers.csv"},
        "offline_metrics": {"predictions": "out/predictions.csv"},
        "fairness_check": {"predictions": "out/predictions.csv", "groups": ["age_group"]},
    }
    plan = make_plan(project, load_blueprint(project.blueprint, tmp_path))
    unbound = [check.id for check in plan.checks if check.binding_error]
    assert unbound == ["perf_test", "penetration_test", "tls_policy"]


def test_the_written_file_says_what_was_detected(tmp_path: Path) -> None:
    fill(tmp_path, {"out/predictions.csv": PREDICTIONS, "job.py": "import csv\n"})
    detected = detect_project(tmp_path)
    text = project_text(detect(tmp_path))
    assert "# data_contract: {dataset: …, contract: …}" in text
    (tmp_path / "quilate.yaml").write_text(text, encoding="utf-8")
    loaded = load_project(tmp_path)
    assert (loaded.blueprint, loaded.type, loaded.bindings) == (detected.blueprint, detected.type, detected.bindings)
    make_plan(loaded, load_blueprint(loaded.blueprint, tmp_path))


def test_columns_of_every_format_are_read(tmp_path: Path) -> None:
    fill(tmp_path, {"a.tsv": "y_true\tscore\n", "b.ndjson": '{"y_true": 1, "score": 0.5}\n'})
    pl.DataFrame({"y_true": [1], "y_pred": [1]}).write_parquet(tmp_path / "c.parquet")
    assert sorted(detect(tmp_path).predictions) == ["a.tsv", "b.ndjson", "c.parquet"]


def test_hostile_content_is_looked_at_and_survived(tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text(PREDICTIONS, encoding="utf-8")
    root = tmp_path / "99 ° project"
    root.mkdir()
    (root / "link.csv").symlink_to(outside)
    (root / "gone.csv").symlink_to(tmp_path / "nowhere")
    (root / "loop").symlink_to(root)
    (root / "cut.parquet").write_bytes(b"PAR1")
    (root / "binary.csv").write_bytes(bytes(range(256)))
    (root / "bad.ndjson").write_text("[" * 100_000, encoding="utf-8")
    (root / "openapi.yaml").write_bytes(b"\xff\xfe")
    (root / "code.py").write_bytes(b"\x00import hashlib\n")
    detection = detect(root)
    assert not detection.predictions
    assert detect_project(root).project == "project"
