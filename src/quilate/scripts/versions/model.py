"""What somebody wants of a script and its versions, and what is kept beside them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from quilate.sandbox.model import Engine, Limits, Outcome, Program
from quilate.scripts.model import (
    DETERMINISTIC_NOW_MILLISECONDS,
    DETERMINISTIC_SEED,
    Script,
    ScriptVersion,
    Shape,
)

CRASHES_TO_QUARANTINE = 3
DEFAULT_LIMITS = Limits()


class ViolationLike(Protocol):
    """What the static validation found; ``quilate.sandbox.validation.validate.Violation`` is one."""

    @property
    def rule(self) -> str:
        """Id of the rule, as in docs/script-rules.md."""
        ...

    @property
    def severity(self) -> str:
        """``error``, ``warning`` or ``info``."""
        ...

    @property
    def line(self) -> int:
        """From 1."""
        ...

    @property
    def column(self) -> int:
        """From 1."""
        ...

    @property
    def end_line(self) -> int:
        """From 1."""
        ...

    @property
    def end_column(self) -> int:
        """From 1."""
        ...

    @property
    def message(self) -> str:
        """What is wrong."""
        ...

    @property
    def fix(self) -> str:
        """What to write instead."""
        ...


Validator = Callable[[str, Limits], Awaitable[tuple[ViolationLike, ...]]]
"""Reads a script before it is stored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What came of a test's calls.

    Attributes:
        outcome: Of all of them together.
        parts: What became of chunks or groups, as executions tell it; ``None`` where there was one call.
    """

    outcome: Outcome
    parts: Mapping[str, Any] | None = None


Runner = Callable[[Program, Limits, bytes, Shape], Awaitable[Ran]]
"""Runs a script on JSON, cut as its shape says; limits its own rate (Problem 429)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A violation that is no error, kept with the version."""

    rule: str
    severity: str
    line: int
    column: int
    message: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushWish:
    """A new version as its author wants it.

    Attributes:
        source: The JavaScript.
        semver: Its number; ``None`` for the patch after the highest.
        shape: How it wants its data.
        engine: What runs it.
        deterministic: Seeded ``Math.random``, a clock that stands still.
        reuse: Isolates are used again.
        limits: Of each call.
        input_schema: JSON Schema as parsed JSON; ``None`` without one.
        output_schema: As the input's.
        allow_breaking: The input may break with the version before without a number that says so.
        activate: It becomes the active version at once.
    """

    source: str
    semver: str | None = None
    shape: Shape = field(default_factory=Shape)
    engine: Engine = Engine.DEFAULT
    deterministic: bool = False
    reuse: bool = False
    limits: Limits = field(default_factory=Limits)
    input_schema: Any = None
    output_schema: Any = None
    allow_breaking: bool = False
    activate: bool = False

    @property
    def program(self) -> Program:
        """What the sandbox would run."""
        return Program(
            source=self.source,
            engine=self.engine,
            seed=DETERMINISTIC_SEED if self.deterministic else None,
            now_milliseconds=DETERMINISTIC_NOW_MILLISECONDS if self.deterministic else None,
            reuse=self.reuse,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptRecord:
    """A script and what its row leads to; ``active_semver`` is ``None`` without an active version."""

    script: Script
    active_semver: str | None = None

    @property
    def tag(self) -> str:
        """What changes with every change of name, description and active version."""
        return f"{self.script.id.hex}-{self.script.revision}"


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """A version and what is kept beside it.

    Attributes:
        version: The version; without its source and schemas where it comes from a list.
        remarks: What the validation found that is no error.
        submitted_by: Who asked for the review.
        reviewed_by: Who decided.
        reviewed_at: When.
        review_reason: Why.
        changed_at: When its state changed.
    """

    version: ScriptVersion
    remarks: tuple[Remark, ...] = ()
    submitted_by: str | None = None
    reviewed_by: str | None = None
    reviewed_at: datetime | None = None
    review_reason: str = ""
    changed_at: datetime


def is_privileged(wish: PushWish) -> bool:
    """Tell whether a version asks for more than the defaults and so needs a review."""
    return wish.engine is Engine.FAST or wish.reuse or bool(raised_limits(wish.limits))


def raised_limits(limits: Limits) -> tuple[str, ...]:
    """Return the names of the limits that lie above the defaults."""
    return tuple(name for name in Limits.__dataclass_fields__ if getattr(limits, name) > getattr(DEFAULT_LIMITS, name))


def reduced(program: Program, limits: Limits) -> tuple[Program, Limits]:
    """Return a program and limits without what needs a review, for tests of what nobody has reviewed."""
    engine = Engine.DEFAULT if program.engine is Engine.FAST else program.engine
    plain = Program(
        source=program.source, engine=engine, seed=program.seed, now_milliseconds=program.now_milliseconds, reuse=False
    )
    least = {name: min(getattr(limits, name), getattr(DEFAULT_LIMITS, name)) for name in Limits.__dataclass_fields__}
    return plain, Limits(**least)
