"""Loaded into schemathesis while it fuzzes: logs in, aims at what there is, counts the answers.

Access tokens live for minutes, and what is fuzzed ends sessions too: a run that kept one token would soon hear nothing
but 401. ``QUILATE_FUZZ_CALLER`` names who asks, ``QUILATE_FUZZ_BASE`` whom, ``QUILATE_FUZZ_ANSWERS`` the file that the
counts are written to.
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
GUEST = "guest"
"""Belongs to the project; is read, changed, sent away and erased by the others."""

PASSWORD = "amber kettle under glass"  # noqa: S105 - of people who live for one run
CALLER, BASE, ANSWERS = "QUILATE_FUZZ_CALLER", "QUILATE_FUZZ_BASE", "QUILATE_FUZZ_ANSWERS"
_LONGEST_SECONDS = 240.0
_SHORTEST_SECONDS = 1.0
_UNAUTHORIZED = 401


def log_in(base: str, name: str) -> str:
    """Return an access token of a person."""
    body = {"email": f"{name}@example.org", "password": PASSWORD}
    answer = httpx.post(f"{base}/api/v1/auth/login", json=body, timeout=30)
    if answer.is_error:
        raise RuntimeError(f"{name} cannot log in: {answer.text}")
    return str(answer.json()["access_token"])


class _Login:
    """The caller's token, and how old it is."""

    def __init__(self, base: str, name: str) -> None:
        self._base = base
        self._name = name
        self._token = ""
        self._at = 0.0
        self._refused = True

    def token(self) -> str:
        """Return a token that was good a moment ago."""
        age = time.monotonic() - self._at
        if age > _LONGEST_SECONDS or (self._refused and (not self._token or age > _SHORTEST_SECONDS)):
            self._token = log_in(self._base, self._name)
            self._at = time.monotonic()
            self._refused = False
        return self._token

    def refused(self) -> None:
        """Log in before the next request, unless that was done just now: some routes answer 401 to a good token."""
        self._refused = True


def _aim(case: Any, tags: Mapping[str, str]) -> None:
    """Let a request hit what nothing generated ever names: the state that there is, and the project."""
    if "If-Match" in case.headers:
        path = case.formatted_path
        case.headers["If-Match"] = tags.get(path) or tags.get(path.rpartition("/")[0]) or "*"
    aims = {"project_id": PROJECT, "quilateproject": PROJECT}
    if "/blueprints" in case.operation.path:
        aims |= {"text": BLUEPRINT.replace("version: 1", "version: 2"), "before": "1", "after": "1"}
    if case.operation.path.endswith("/auth/login"):
        aims |= {"email": f"{GUEST}@example.org", "password": PASSWORD}
    for values in (case.query, case.body):
        if isinstance(values, dict):
            values.update({name: value for name, value in aims.items() if name in values})


def _install() -> None:
    import schemathesis  # noqa: PLC0415 - only where it is fuzzed

    answers: defaultdict[str, Counter[int]] = defaultdict(Counter)
    tags: dict[str, str] = {}
    requests = itertools.count()
    name = os.environ.get(CALLER, "")
    login = _Login(os.environ[BASE], name) if name else None

    @schemathesis.hook
    def before_call(context: Any, case: Any, kwargs: dict[str, Any]) -> None:
        if login is not None:
            case.headers["Authorization"] = f"Bearer {login.token()}"
        if next(requests) % 2:
            _aim(case, tags)

    @schemathesis.hook
    def after_call(context: Any, case: Any, response: Any) -> None:
        answers[case.operation.label][response.status_code] += 1
        if response.headers.get("etag"):
            tags[case.formatted_path] = response.headers["etag"][0]
        if login is not None and response.status_code == _UNAUTHORIZED:
            login.refused()

    def write() -> None:
        Path(os.environ[ANSWERS]).write_text(json.dumps(answers), encoding="utf-8")

    atexit.register(write)


if ANSWERS in os.environ:
    _install()
