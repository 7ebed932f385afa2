"""Rego as the second policy language, behind the same decision tree.

The module runs in a locked-down child process (see ``rego_child``). ``allow`` must be positively true: undefined, a
value that is not a boolean, an error, a crash or a time-out is unknown, never a pass. What would make two runs of the
same decision differ (clock, random numbers) is refused beforehand.
"""

import json
import math
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from quilate.kit.process.model import ProcessLimits, ProcessOutcome, ProcessResult
from quilate.kit.process.run import run_process
from quilate.policy.model import Clause, Truth

DEFAULT_QUERY = "data.quilate.allow"
DEFAULT_TIMEOUT_SECONDS = 10.0
DEFAULT_MEMORY_BYTES = 512 << 20
MAX_MODULE_CHARACTERS = 256 << 10
MAX_INPUT_BYTES = 16 << 20
MAX_INPUT_DEPTH = 32
INSTALL = "pip install 'quilate[rego]'"

_CHILD = Path(__file__).with_name("rego_child.py")
_QUERY = re.compile(r"data(?:\.[A-Za-z_][A-Za-z0-9_]*)+\.[A-Za-z_][A-Za-z0-9_]*")
_ASCII_ESCAPE = re.compile(r"\\u00([2-7][0-9A-Fa-f])")
_UNREPEATABLE = re.compile(r"\b(now_ns|intn|rfc4122|decode_verify|parse_and_verify_certificates\w*)\b")
_MAX_SAFE_INTEGER = 1 << 53
_GRACE_SECONDS = 2.0
_GRACE_BYTES = 64 << 20
_MAX_MESSAGES = 100
_MAX_MESSAGE_CHARACTERS = 500
_MAX_ANSWER_BYTES = 1 << 20


def evaluate_rego(  # noqa: PLR0913 - one argument per limit that a caller may set
    module_source: str,
    input_document: Any,
    *,
    query: str = DEFAULT_QUERY,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    memory_bytes: int = DEFAULT_MEMORY_BYTES,
    interpreter: str = sys.executable,
) -> Clause:
    """Return what a Rego module says of an input document; raises nothing for whatever either of them holds.

    Args:
        module_source: The module's text.
        input_document: JSON types only; what ``input`` is in the module.
        query: The rule that must be true, for example ``data.quilate.allow``. The rule ``deny`` beside it may hold a
            set of texts that say why not.
        timeout_seconds: Wall-clock limit. The child keeps it itself and says so; two seconds later it is killed.
        memory_bytes: Limit of the child's resident memory; the interpreter itself takes 30 MiB. The child looks every
            5 ms and says so; at 64 MiB more it is killed.
        interpreter: The Python that has ``regopy``.
    """
    refused = _refused_module(module_source, query)
    if refused:
        return _unknown(query, *refused)
    try:
        encoded = encoded_input(input_document)
    except ValueError as error:
        return _unknown(query, f"the input document of the Rego policy is not valid: {error}")
    deny_query = f"{query.rpartition('.')[0]}.deny"
    request = {
        "module": module_source,
        "input": encoded,
        "query": query,
        "deny_query": deny_query,
        "wall_seconds": timeout_seconds,
        "memory_bytes": memory_bytes,
    }
    limits = ProcessLimits(
        wall_seconds=timeout_seconds + _GRACE_SECONDS,
        memory_bytes=memory_bytes + _GRACE_BYTES,
        output_bytes=_MAX_ANSWER_BYTES,
    )
    try:
        result = run_process(
            [interpreter, "-I", str(_CHILD)],
            directory=Path(os.sep),
            environment={},
            limits=limits,
            stdin=json.dumps(request).encode("ascii"),
        )
    except OSError as error:
        return _unknown(query, f"the Rego interpreter could not be started: {error.strerror}")
    return _judged(result, query, deny_query, timeout_seconds)


def encoded_input(document: Any) -> str:
    """Return an input document as JSON text, in ASCII.

    Raises:
        ValueError: It is nested too deeply, too large, or holds something that JSON or Rego cannot hold exactly.
    """
    _require_json(document)
    text = json.dumps(document, allow_nan=False)
    if len(text) > MAX_INPUT_BYTES:
        raise ValueError(f"it is larger than {MAX_INPUT_BYTES >> 20} MiB")
    return text


def _require_json(document: Any) -> None:
    """Raise for what JSON or Rego cannot hold exactly, and for what is nested too deeply. Does not recurse."""
    pending = [(document, 1)]
    while pending:
        value, depth = pending.pop()
        if depth > MAX_INPUT_DEPTH:
            raise ValueError(f"it is nested deeper than {MAX_INPUT_DEPTH} levels")
        pending += [(part, depth + 1) for part in _parts(value)]


def _parts(value: Any) -> Sequence[Any]:
    """Return what a container holds, its keys among it; anything else must be a scalar that JSON and Rego have."""
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ValueError("it has a key that is not a text")
        return [part for pair in value.items() for part in pair]
    if isinstance(value, list | tuple):
        return value
    _require_scalar(value)
    return ()


def _require_scalar(value: Any) -> None:
    if isinstance(value, str):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            raise ValueError("it has a text that is not valid Unicode")
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, int):
        if abs(value) > _MAX_SAFE_INTEGER:
            raise ValueError("it has a whole number beyond 2**53")
    elif not isinstance(value, float):
        raise ValueError(f"it has a value of type {type(value).__name__}")
    elif not math.isfinite(value):
        raise ValueError("it has a number that is not finite")


def _refused_module(source: str, query: str) -> tuple[str, str] | None:
    """Return why a module is not even started, and what to do; the words are looked for in comments too."""
    if len(source) > MAX_MODULE_CHARACTERS:
        return f"the Rego module is longer than {MAX_MODULE_CHARACTERS >> 10} KiB", "split it into several policies"
    if "\0" in source or any("\ud800" <= character <= "\udfff" for character in source):
        return "the Rego module is not valid text", "save it as UTF-8"
    if not _QUERY.fullmatch(query):
        return f"{query[:_MAX_MESSAGE_CHARACTERS]!r} is not the name of a Rego rule", f"write {DEFAULT_QUERY}"
    plain = _ASCII_ESCAPE.sub(lambda escape: chr(int(escape.group(1), 16)), source)
    if found := _UNREPEATABLE.search(plain):
        return (
            f"the Rego module uses `{found.group(1)}`, so that its decision could not be replayed",
            "use `input.evaluated_on` instead of the clock, and no random numbers",
        )
    return None


def _judged(result: ProcessResult, query: str, deny_query: str, timeout_seconds: float) -> Clause:
    ended = {
        ProcessOutcome.TIMED_OUT: f"the Rego policy ran longer than {timeout_seconds:g} s and was ended",
        ProcessOutcome.MEMORY_EXCEEDED: "the Rego policy needs too much memory and was ended",
    }
    if result.outcome in ended:
        return _unknown(query, ended[result.outcome], "make the rule simpler")
    try:
        answer = json.loads(result.stdout)
    except ValueError:
        answer = None
    if result.outcome is not ProcessOutcome.EXITED or result.returncode != 0 or not isinstance(answer, dict):
        return _unknown(
            query,
            f"the Rego interpreter ended without an answer (exit status {result.returncode})",
            "make the rule simpler",
        )
    if answer.get("missing"):
        return _unknown(query, "the Rego interpreter is not installed", f"install it: {INSTALL}")
    if "error" in answer:
        return _unknown(query, f"the Rego module failed: {_printable(str(answer['error']))}", "mend the module")
    return _decided(answer, query, deny_query)


def _decided(answer: dict[str, Any], query: str, deny_query: str) -> Clause:
    allow, denied = answer["allow"], answer["deny"].get("value", [])
    if "value" not in allow:
        return _unknown(
            query,
            f"{query} is undefined: no rule applies, or a fact that it reads is missing",
            "see which checks ended without evidence, or give the rule an answer for this case",
        )
    if not isinstance(allow["value"], bool):
        return _unknown(query, f"{query} is neither true nor false", "let the rule be a boolean")
    texts = isinstance(denied, list) and all(isinstance(message, str) for message in denied)
    if allow["value"] and not texts:
        return _unknown(query, f"{deny_query} is not a set of texts", "write `deny contains message if …`")
    messages = sorted(map(_printable, denied)) if texts else []
    truth = Truth.FALSE if messages or not allow["value"] else Truth.TRUE
    return Clause(
        source=query,
        operator="call",
        truth=truth,
        actual=str(allow["value"]).lower(),
        required="true",
        reason="" if truth is Truth.TRUE else f"{deny_query} holds" if messages else f"{query} is false",
        children=tuple(
            Clause(source=deny_query, operator="call", truth=Truth.FALSE, reason=message)
            for message in messages[:_MAX_MESSAGES]
        ),
    )


def _unknown(query: str, reason: str, next_step: str = "") -> Clause:
    shown = query[:_MAX_MESSAGE_CHARACTERS]
    return Clause(
        source=shown,
        operator="call",
        truth=Truth.UNKNOWN,
        actual=str(Truth.UNKNOWN),
        required="true",
        reason=reason,
        next_step=next_step,
    )


def _printable(text: str) -> str:
    cut = text[:_MAX_MESSAGE_CHARACTERS]
    return "".join(character if character.isprintable() else " " for character in cut)
