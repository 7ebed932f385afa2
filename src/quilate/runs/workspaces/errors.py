"""Why the files of a run cannot be had."""

from quilate.domain.errors import ConfigurationError, EvidenceError


class SourceRefusedError(ConfigurationError):
    """The source is not allowed, not there, or hostile: asking again gives the same answer."""


class SourceUnavailableError(EvidenceError):
    """The source cannot be reached now: asking again later may help."""
