"""Run a check on its canary: a tiny input on which it must go red. A check whose canary passes is broken."""

import contextlib
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from quilate.checks.api import Canary, Check
from quilate.checks.execution import execute_check_in_place
from quilate.checks.registry import load_check
from quilate.domain.errors import EvidenceError, QuilateError, ToolMissingError

_START_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryResult:
    """``red`` is what must be; ``missing_tool`` says how to install what the check wraps."""

    check_type: str
    red: bool
    message: str
    missing_tool: str = ""


def run_canary(check_type: str, interpreter: str) -> CanaryResult:
    """Run the canary of one check type in a temporary directory."""
    return run_canary_of(load_check(check_type), interpreter)


def run_canary_of(check: Check, interpreter: str) -> CanaryResult:
    """Run the canary of a check, whether its type is registered or not."""
    check_type = check.type
    with tempfile.TemporaryDirectory(prefix="quilate-canary-") as name:
        directory = Path(name)
        try:
            canary = check.canary(directory)
            with _served(canary, directory) as url:
                evidence = execute_check_in_place(
                    check,
                    directory,
                    parameters=canary.parameters,
                    binding=_with_url(canary.binding, url),
                    interpreter=interpreter,
                    timeout=120.0,
                )
        except ToolMissingError as error:
            return CanaryResult(
                check_type=check_type, red=False, message=error.message, missing_tool=error.next_step or error.message
            )
        except QuilateError as error:
            return CanaryResult(check_type=check_type, red=False, message=f"could not run: {error}")
    found = {str(finding.rule) for finding in evidence.findings}
    missed = [rule for rule in canary.expected_rules if rule not in found]
    if missed:
        message = f"its canary passed: {', '.join(missed)} not found"
        return CanaryResult(check_type=check_type, red=False, message=message)
    return CanaryResult(check_type=check_type, red=True, message=f"red on its canary ({canary.expected_rules[0]})")


@contextlib.contextmanager
def _served(canary: Canary, directory: Path) -> Iterator[str]:
    """Start the canary's service and give its URL; it has ended when this returns."""
    if not canary.serve:
        yield ""
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    argv = [part.replace("{port}", str(port)) for part in canary.serve]
    with subprocess.Popen(  # noqa: S603 - the argv of a canary of ours
        argv, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as service:
        try:
            _wait_until_open(port, service)
            yield f"127.0.0.1:{port}"
        finally:
            service.kill()


def _wait_until_open(port: int, service: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + _START_SECONDS
    while time.monotonic() < limit and service.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise EvidenceError("the canary's service did not start")


def _with_url(binding: Mapping[str, Any], url: str) -> Mapping[str, Any]:
    def replaced(value: Any) -> Any:
        if isinstance(value, str):
            return value.replace("{url}", url)
        if isinstance(value, dict):
            return {key: replaced(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [replaced(inner) for inner in value]
        return value

    return {key: replaced(value) for key, value in binding.items()}
