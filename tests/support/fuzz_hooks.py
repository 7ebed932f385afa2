"""Loaded into schemathesis while it fuzzes: logs in, aims at what there is, counts the answers.

Access tokens live for minutes, and what is fuzzed ends sessions too: a run that kept one token would soon hear nothing
but 401. ``QUILATE_FUZZ_CALLER`` names who asks, ``QUILATE_FUZZ_BASE`` whom, ``QUILATE_FUZZ_ANSWERS`` the file that the
counts are written to, ``QUILATE_FUZZ_AIMS`` the file of path parameters by the ends of operations' paths.
"""

import atexit
import itertools
import json
import os
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

PROJECT = "fuzzed"
BLUEPRINT = """id: thing
version: 1
project_types: [library]
stages:
  - name: sources
    checks:
      - {id: lint, type: CODE_LINT, required: true}
policies:
  approval:
    rule: all_required_checks_pass
"""
SCRIPT = "function process(data) { console.log('seen'); return data; }"
GUEST = "guest"
"""Belongs to the project; is read, changed, sent away and erased by the others."""

PASSWORD = "amber kettle under glass"  # noqa: S105 - of people who live for one run
CALLER, BASE, ANSWERS = "QUILATE_FUZZ_CALLER", "QUILATE_FUZZ_BASE", "QUILATE_FUZZ_ANSWERS"
AIMS = "QUILATE_FUZZ_AIMS"
STEP = "step"
"""Names a script and its version among the aims."""
BRIEF = httpx.Limits(keepalive_expiry=1.0)
"""Connections are not used again after as long as the service keeps them: on a busy machine it closes them first."""

_LONGEST_SECONDS = 240.0
_PATIENCE_SECONDS = 300.0
_UNAUTHORIZED = 401


def log_in(base: str, name: str) -> str:
    """Return an access token of a person; waits where failed logins of others made the service ask for patience."""
    body = {"email": f"{name}@example.org", "password": PASSWORD}
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        answer = httpx.post(f"{base}/api/v1/auth/login", json=body, timeout=30)
        if answer.is_success:
            return str(answer.json()["access_token"])
        if answer.status_code != httpx.codes.TOO_MANY_REQUESTS or time.monotonic() > end:
            raise RuntimeError(f"{name} cannot log in: {answer.text}")
        time.sleep(float(answer.headers["retry-after"]))


class Login:
    """The caller's token, for as long as it is good."""

    def __init__(self, base: str, name: str) -> None:
        self._base = base
        self._name = name
        self._token = ""
        self._until = 0.0
        self._doubted = False

    def token(self) -> str:
        """Return a token that was good a moment ago."""
        if time.monotonic() > self._until or (self._doubted and not self._is_good()):
            self._token = log_in(self._base, self._name)
            self._until = time.monotonic() + _LONGEST_SECONDS
        self._doubted = False
        return self._token

    def doubt(self) -> None:
        """Look before the next request whether the token is still good: some routes answer 401 to a good one."""
        self._doubted = True

    def _is_good(self) -> bool:
        headers = {"Authorization": f"Bearer {self._token}"}
        return httpx.get(f"{self._base}/api/v1/me", headers=headers, timeout=30).is_success


def _aim(case: Any, tags: Mapping[str, str], known: Mapping[str, Mapping[str, str]]) -> None:
    """Let a request hit what nothing generated ever names: the state that there is, the project, what it is for."""
    for end, parameters in known.items():
        if case.operation.path.endswith(end):
            case.path_parameters.update(parameters)
    if "If-Match" in case.headers:
        path = case.formatted_path
        case.headers["If-Match"] = tags.get(path) or tags.get(path.rpartition("/")[0]) or "*"
    aims = _aims_at(case.operation.path, known)
    for values in (case.query, case.body):
        if isinstance(values, dict):
            values.update({name: value for name, value in aims.items() if name in values})


def _aims_at(path: str, known: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """Return values that an operation is for, by the names of its parameters and members."""
    aims: dict[str, Any] = {"project_id": PROJECT, "quilateproject": PROJECT}
    if "/blueprints" in path:
        aims |= {"text": BLUEPRINT.replace("version: 1", "version: 2"), "before": "1", "after": "1"}
    if "/schedule" in path:
        aims |= {"cron": "0 3 * * *", "time_zone": "UTC", "run": {"blueprint": "ds-batch"}}
    if STEP in known:
        aims |= {"source": SCRIPT, "content": SCRIPT, "input_schema": {}, "output_schema": {}, "inputSchema": {}}
        aims |= {"against": "2", "steps": [known[STEP]] * 2, "scriptId": known[STEP]["script"], "dataset": "thing"}
    if path.endswith("/auth/login"):
        aims |= {"email": f"{GUEST}@example.org", "password": PASSWORD}
    return aims


def _install() -> None:
    import schemathesis  # noqa: PLC0415 - only where it is fuzzed

    answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    tags: dict[str, str] = {}
    requests = itertools.count()
    name = os.environ.get(CALLER, "")
    known = json.loads(Path(os.environ[AIMS]).read_text(encoding="utf-8"))
    login = Login(os.environ[BASE], name) if name else None

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        if login is not None:
            case.headers["Authorization"] = f"Bearer {login.token()}"
        if next(requests) % 2:
            _aim(case, tags, known)

    @schemathesis.hook
    def after_call(context: Any, case: Any, response: Any) -> None:
        answers[case.operation.label][response.status_code] += 1
        if response.headers.get("etag"):
            tags[case.formatted_path] = response.headers["etag"][0]
        if login is not None and response.status_code == _UNAUTHORIZED:
            login.doubt()

    def write() -> None:
        Path(os.environ[ANSWERS]).write_text(json.dumps(answers), encoding="utf-8")

    atexit.register(write)


if ANSWERS in os.environ:
    _install()
