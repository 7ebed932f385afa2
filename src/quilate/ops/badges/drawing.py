"""The picture: two fields of text, drawn with no font but the reader's own, readable without colours."""

from html import escape

_HEIGHT, _PADDING = 20, 12
_CHARACTER = 6.6
"""Width of a character of 11 pixels in Verdana and its kin, in pixels: wide enough for what a verdict says."""

_WORDS = {"PASS": "approved", "FAIL": "rejected", "UNKNOWN": "undecided", "": "no verdict"}
_COLOURS = {"PASS": "#1a7f37", "FAIL": "#b3261e", "UNKNOWN": "#7a5200", "": "#5f6368"}


def draw(verdict: str, label: str = "quilate") -> str:
    """Return a badge as SVG; white text on each of its colours has a contrast of 4.5 to 1 at least (WCAG 2.2)."""
    word, colour = _WORDS[verdict], _COLOURS[verdict]
    left, right = _width(label), _width(word)
    whole = left + right
    title = escape(f"{label}: {word}")
    texts = "".join(
        f'<text x="{place:g}" y="14" text-anchor="middle">{escape(text)}</text>'
        for text, place in ((label, left / 2), (word, left + right / 2))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole:g}" height="{_HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>"
        f'<rect width="{left:g}" height="{_HEIGHT}" fill="#3c4043"/>'
        f'<rect x="{left:g}" width="{right:g}" height="{_HEIGHT}" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{texts}</g></svg>'
    )


def _width(text: str) -> float:
    return round(len(text) * _CHARACTER + _PADDING, 1)
