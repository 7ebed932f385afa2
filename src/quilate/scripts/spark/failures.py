"""What Spark itself complains about, as failures: one sentence, without traces, paths of classes or URLs."""

import re
from typing import Final

from quilate.sandbox.model import Failure, FailureClass

_OURS: Final = re.compile(r"(BatchInputError|BatchResultError): ([^\n]{1,500})")
_NO_MODULE: Final = re.compile(r"No module named '(quilate|msgspec|pyarrow|mini_racer)\b")
_RAISED: Final = re.compile(r"^\s*(?:\w+\.)*(\w+(?:Error|Exception): \S.*)$", re.MULTILINE)
_SECRET: Final = re.compile(r"(?i)\b(?:sc|spark|k8s)://\S+|(token|password|secret|key)=[^\s;&]+")
_INPUT: Final = (
    "PATH_NOT_FOUND",
    "FAILED_READ_FILE",
    "UNABLE_TO_INFER_SCHEMA",
    "MALFORMED",
    "CANNOT_READ_FILE",
    "CONVERT",
)
_LONGEST: Final = 300


def failure_of(error: Exception) -> Failure:
    """Say why Spark gave up."""
    text = str(error)
    if found := _OURS.search(text):
        kind = FailureClass.INPUT if found[1] == "BatchInputError" else FailureClass.RESULT
        return Failure(kind=kind, message=found[2].strip())
    if _NO_MODULE.search(text):
        return Failure(
            kind=FailureClass.UNAVAILABLE,
            message="The executors cannot import quilate: install quilate[sandbox] of the driver's version there",
        )
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    if first.endswith("Python worker:") and (raised := _RAISED.findall(text)):
        first = f"{first} {raised[-1]}"
    said = _SECRET.sub("...", first.rstrip("."))[:_LONGEST]
    kind = FailureClass.INPUT if any(word in text for word in _INPUT) else FailureClass.UNAVAILABLE
    return Failure(kind=kind, message=f"Spark gave up: {said}")
