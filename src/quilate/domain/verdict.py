"""Verdicts and the states that lead to them."""

from enum import StrEnum


class Verdict(StrEnum):
    """The answer of a decision. Only PASS lets anything through."""

    PASS = "PASS"  # noqa: S105 - the word for a passed run, not a password
    FAIL = "FAIL"
    UNKNOWN = "UNKNOWN"


class RunStatus(StrEnum):
    """Where a run, a stage run or a check run stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Completion(StrEnum):
    """How a check ended, before anybody judged what it found."""

    COMPLETED = "completed"
    ERROR = "error"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not_applicable"


class CheckResult(StrEnum):
    """What a check's evidence amounts to under its limits and waivers."""

    PASS = "pass"  # noqa: S105 - the word for a passed check, not a password
    WARN = "warn"
    FAIL = "fail"
    UNDECIDED = "undecided"
    ERROR = "error"
    TIMED_OUT = "timed_out"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"
    NOT_APPLICABLE = "not_applicable"
