"""English words that depend on a number."""


def form(number: int, singular: str, plural: str = "") -> str:
    """Return the form of a noun or verb that agrees with ``number``; by default the plural ends in ``s``."""
    return singular if number == 1 else plural or f"{singular}s"


def counted(number: int, singular: str, plural: str = "") -> str:
    """Return a number with its noun: ``1 finding``, ``2 findings``."""
    return f"{number} {form(number, singular, plural)}"
