"""What keeps a sandbox from being had at all."""

from quilate.domain.errors import QuilateError


class SandboxUnavailableError(QuilateError):
    """No sandbox worker may run scripts here: a library is missing, or a worker cannot be shut in as demanded."""
