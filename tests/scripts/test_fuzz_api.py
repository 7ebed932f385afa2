"""The API is fuzzed as somebody who may see what is there, and what is wrong is found (C06, C10)."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support.fuzz_hooks import Login
from tests.support.receivers import Received, Reply, receiver

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "fuzz_api.py"
DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "wrong", "version": "1"},
    "paths": {
        f"/{name}": {
            "get": {
                "tags": ["wrong"],
                "parameters": [{"name": "word", "in": "query", "schema": {"type": "string"}}],
                "responses": {
                    "200": {
                        "description": "A number.",
                        "content": {"application/json": {"schema": {"type": "integer"}}},
                    },
                    "500": {"description": "Said, and wrong all the same."},
                },
            }
        }
        for name in ("fault", "undocumented", "untrue", "right")
    },
}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("fuzz_api", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules["fuzz_api"] = module
    found.loader.exec_module(module)
    return module


def test_a_slice_of_the_service_is_fuzzed_and_answers_as_described(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--as", "viewer", "--tags", "kpis", "--examples", "3", "--phases", "fuzzing",
         "--keep", tmp_path],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    total = done.stdout.splitlines()[-1]
    assert "1 operations (0 always refused)" in total
    assert " 0 5xx" in total
    answers = json.loads((tmp_path / "viewer" / "kpis-known" / "answers.json").read_text(encoding="utf-8"))
    of_kpis = answers["GET /api/v1/projects/{project}/kpis"]
    assert of_kpis["200"] > 0
    assert "401" not in of_kpis


def test_faults_and_answers_that_are_not_described_are_found(script: ModuleType, tmp_path: Path) -> None:
    with receiver(_wrong) as server:
        plan = script.Plan(examples=3, phases="fuzzing")
        script.run_schemathesis(
            server.url, script.NOBODY, plan, "wrong", script.Pass(name="any", parameters={}), tmp_path
        )

    found = script.read_results(tmp_path)
    assert set(found.failures) == {"GET /fault", "GET /undocumented", "GET /untrue"}
    assert len(found.answers) == 4
    assert found.answers["GET /fault"][500] > 0


def test_a_caller_logs_in_anew_only_where_the_token_is_no_good() -> None:
    good, logins = {"first"}, [Reply(status=429, headers={"retry-after": "0"}), _token("first"), _token("second")]

    def answer(received: Received) -> Reply:
        if received.path.endswith("/login"):
            return logins.pop(0)
        return Reply(status=200 if received.headers["authorization"].removeprefix("Bearer ") in good else 401)

    with receiver(answer) as server:
        login = Login(server.url, "viewer")
        assert login.token() == "first"
        login.doubt()
        assert login.token() == "first"
        good.clear()
        assert login.token() == "first"
        login.doubt()
        assert login.token() == "second"


def test_a_slice_or_a_caller_that_there_is_not_is_refused(
    script: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        script.main(["--tags", "nothing", "--as", "stranger"])

    assert ended.value.code == 2
    assert "there is no nothing, stranger" in capsys.readouterr().err


def _token(name: str) -> Reply:
    return Reply(body=json.dumps({"access_token": name}).encode())


def _wrong(received: Received) -> Reply:
    path = received.path.partition("?")[0]
    if path == "/openapi.json":
        return Reply(body=json.dumps(DESCRIPTION).encode())
    if path == "/undocumented":
        return Reply(status=418, body=b"1")
    if path == "/fault":
        return Reply(status=500, body=b"1")
    return Reply(body=b'"word"' if path == "/untrue" else b"1")
