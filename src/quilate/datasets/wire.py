"""What the catalogue's routes share: refusals, entity tags, cursors."""

import base64
import binascii
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlencode

from quilate.accounts.model import ProjectAccess
from quilate.datasets.errors import CatalogueError
from quilate.datasets.model import CatalogueEntry, EntryKind
from quilate.evidence.artifacts import ArtifactCorruptError, ArtifactMissingError, ArtifactStorageError
from quilate.kit.web.problems import Problem


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the catalogue refuses into problem documents."""
    try:
        yield
    except CatalogueError as error:
        raise Problem(status=422, type="validation", detail=error.message, next_step=error.next_step) from error
    except ArtifactStorageError as error:
        raise Problem(
            status=503, type="storage", detail=error.message, next_step=error.next_step, headers={"Retry-After": "60"}
        ) from error
    except ArtifactMissingError as error:
        raise Problem(status=410, type="gone", detail="the content is no longer kept") from error
    except ArtifactCorruptError as error:
        raise Problem(status=500, type="artifact-corrupt", detail=error.message, next_step=error.next_step) from error


def address_of(granted: ProjectAccess, kind: EntryKind, name: str) -> str:
    """Return where an entry is found."""
    return f"/api/v1/projects/{granted.project.slug}/{kind.value}s/{name}"


def entry_tag(entry: CatalogueEntry) -> str:
    """Return an entry's entity tag."""
    return f'"{entry.revision}-{entry.latest}"'


def revision_of(if_match: str | None) -> int | None:
    """Return the revision that ``If-Match`` names: none for any, one that never is for what we never gave out."""
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().strip('"').partition("-")[0]
    return int(number) if number.isascii() and number.isdigit() and len(number) < _DIGITS else -1


_DIGITS = 10


def is_known(if_none_match: str | None, tag: str) -> bool:
    """Tell whether a caller has what an entity tag names."""
    known = {each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")}
    return tag in known or "*" in known


def place_of(cursor: str) -> str:
    """Return the place in a list that a cursor stands for.

    Raises:
        Problem: 422, it is none that a list gave out.
    """
    try:
        place = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error) as error:
        raise bad_cursor() from error
    if "\0" in place:
        raise bad_cursor()
    return place


def bad_cursor() -> Problem:
    """Return the problem of a cursor that no list gave out."""
    return Problem(
        status=422, type="validation", detail="the cursor is none of this list", next_step="begin without a cursor"
    )


def next_page(path: str, query: Sequence[tuple[str, str]], place: str) -> tuple[str, dict[str, str]]:
    """Return the cursor that leads on from a place, and the ``Link`` header; both empty on the last page."""
    if not place:
        return "", {}
    cursor = base64.urlsafe_b64encode(place.encode()).rstrip(b"=").decode()
    words = [(name, value) for name, value in query if name != "cursor"]
    return cursor, {"Link": f'<{path}?{urlencode([*words, ("cursor", cursor)])}>; rel="next"'}
