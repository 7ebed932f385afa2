"""What keeps the log from going on."""

from quilate.domain.errors import QuilateError


class LogRefusalError(QuilateError):
    """The log contradicts what was signed before, or its key is not here: nothing more is placed or signed."""


class LogMovedError(Exception):
    """Another sequencer wrote meanwhile: what this one has in memory is old."""
