"""Why something is not catalogued."""

from quilate.domain.errors import ConfigurationError


class CatalogueError(ConfigurationError):
    """A file, a name or a path is not taken; the message says why."""


class UnsafeFormatError(CatalogueError):
    """A model's file is of a format that runs code when it is loaded, or of none that is known."""


class UnreadableTableError(CatalogueError):
    """A file that says it is a table cannot be read as one."""
