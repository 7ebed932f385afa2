"""The nearest valid name to one that was mistyped."""

from collections.abc import Iterable


def nearest(name: str, candidates: Iterable[str]) -> str:
    """Return the candidate closest to ``name`` without regard to case, or an empty string."""
    from difflib import get_close_matches  # noqa: PLC0415 - 5 ms that only an error message needs

    by_folded = {candidate.casefold(): candidate for candidate in candidates}
    matches = get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[matches[0]] if matches else ""


def nearest_hint(name: str, candidates: Iterable[str]) -> str:
    """Return ``, did you mean 'x'?`` or an empty string."""
    candidate = nearest(name, candidates)
    return f", did you mean {candidate!r}?" if candidate else ""
