"""How a version is named: by id, by number, by semantic version."""

from uuid import UUID

from quilate.domain.errors import ConfigurationError
from quilate.scripts.versions.errors import VersionUnknownError
from quilate.scripts.versions.semver import LONGEST_SEMVER, Semver
from quilate.scripts.versions.store import VersionName

_LONGEST_NUMBER = 9


def version_name(text: str) -> VersionName:
    """Return what a text names a version by.

    Raises:
        VersionUnknownError: 404, it can be no version's name.
    """
    if text.isascii() and text.isdigit() and len(text) <= _LONGEST_NUMBER:
        return int(text)
    if len(text) <= LONGEST_SEMVER:
        try:
            return str(Semver.parse(text))
        except ConfigurationError:
            pass
        try:
            return UUID(text)
        except ValueError:
            pass
    raise VersionUnknownError(text)
