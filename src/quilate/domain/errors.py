"""Every error that a user may see: a class, an exit status and a next step."""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """The exit codes of every command."""

    APPROVED = 0
    REJECTED = 1
    USAGE = 2
    UNDECIDED = 3
    INTERNAL = 4
    INTERRUPTED = 130


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcePosition:
    """A place in a file that a person wrote; line and column count from one."""

    path: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}"


class QuilateError(Exception):
    """Base of all errors that carry a message for the user.

    Attributes:
        message: What is wrong, one sentence without a full stop.
        next_step: What the user can do about it, one sentence without a full stop; may be empty.
        position: Where in the user's own file it is wrong, where that is known.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.USAGE

    def __init__(self, message: str, *, next_step: str = "", position: SourcePosition | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.position = position

    def __str__(self) -> str:
        return f"{self.position}: {self.message}" if self.position else self.message


class ConfigurationError(QuilateError):
    """A blueprint, a project file, a policy or an argument is wrong."""


class ConfigurationErrors(ConfigurationError):  # noqa: N818 - the plural says what it is
    """Several configuration errors found in one pass, so that the user mends them in one go."""

    def __init__(self, errors: "tuple[ConfigurationError, ...]") -> None:
        super().__init__(f"{len(errors)} configuration errors")
        self.errors = errors

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


class EvidenceError(QuilateError):
    """A check could not get its evidence: its result is ``error`` and a required check's verdict UNKNOWN."""

    exit_code = ExitCode.UNDECIDED


class ToolMissingError(EvidenceError):
    """A tool that a check wraps is not installed; ``next_step`` is the command that installs it."""


class EvidenceTimeoutError(EvidenceError):
    """A check's tool ran out of time: its result is ``timed_out``."""


class InternalError(QuilateError):
    """A fault of Quilate itself: exit 4 with a report file, never a verdict."""

    exit_code = ExitCode.INTERNAL
