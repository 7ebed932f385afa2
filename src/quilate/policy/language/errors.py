"""The one error that the policy language raises, with the place in the rule."""

from quilate.domain.errors import ConfigurationError, ConfigurationErrors, SourcePosition
from quilate.kit.words import counted

_FRAME_WIDTH = 100
_SHOWN_CHARACTERS = 60


class PolicyError(ConfigurationError):
    """A rule is wrong.

    Attributes:
        source: The whole rule.
        start: Offset of the first character that is wrong.
        end: Offset behind the last one.
    """

    def __init__(  # noqa: PLR0913 - one argument per thing that the user is shown
        self,
        message: str,
        *,
        source: str = "",
        start: int = 0,
        end: int = 0,
        base: SourcePosition | None = None,
        next_step: str = "",
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.source = source
        self.start = start
        self.end = max(end, start + 1)
        self.position = offset_position(base, self.line, self.column) if base else None

    @property
    def line(self) -> int:
        """The line within the rule, from one."""
        return self.source.count("\n", 0, self.start) + 1

    @property
    def column(self) -> int:
        """The column within that line, from one, in characters."""
        return self.start - self.source.rfind("\n", 0, self.start)

    def frame(self) -> str:
        """Return the line of the rule that is wrong and carets below the place, at most 100 columns wide."""
        begin = self.start - self.column + 1
        line = self.source[begin:].split("\n", 1)[0].replace("\t", " ").rstrip("\r")
        caret = self.start - begin
        cut = max(0, caret - _FRAME_WIDTH // 2)
        width = min(max(1, min(self.end, begin + len(line)) - self.start), _FRAME_WIDTH // 2)
        return f"{line[cut : cut + _FRAME_WIDTH]}\n{' ' * (caret - cut)}{'^' * width}"

    def __str__(self) -> str:
        return f"{self.position or f'line {self.line}, column {self.column}'}: {self.message}"


class PolicyErrors(ConfigurationErrors, PolicyError):  # noqa: N818 - the plural of PolicyError, as its base is
    """All errors of one rule, in the order of their places."""

    def __init__(self, errors: tuple[PolicyError, ...]) -> None:
        PolicyError.__init__(self, f"{counted(len(errors), 'error')} in the rule")
        first = errors[0]
        self.errors = errors
        self.args = (errors,)
        self.source, self.start, self.end, self.position = first.source, first.start, first.end, first.position

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def offset_position(base: SourcePosition, line: int, column: int) -> SourcePosition:
    """Return the place in the file of a line and column of a rule whose first character stands at ``base``."""
    return SourcePosition(
        path=base.path, line=base.line + line - 1, column=base.column + column - 1 if line == 1 else column
    )


def shown(text: str) -> str:
    """Return ``text`` for a message: cut to 60 characters, without anything that cannot be printed."""
    cut = text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
    return "".join(character if character.isprintable() else f"U+{ord(character):04X}" for character in cut)
