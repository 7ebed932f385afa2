"""What becomes of marked values: masks where they are shown, tokens where scripts must not see them, subjects' digests.

A mask knows the values themselves and nothing that a script makes of them: what a script must not know is tokenised
before it sees it.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from quilate.kit.masking import MASK, mask_text
from quilate.scripts.payloads.marks import Marks, Place
from quilate.scripts.payloads.tokens import Tokeniser, text_of

MOST_VALUES = 20_000
"""Sensitive values that texts are searched for; where there are more nothing of a text is shown."""

_SHORT = 3
_WITHHELD = "[masked: the input holds too many sensitive values to be looked for]"


@dataclass(slots=True, kw_only=True)
class Rewriting:
    """Replaces marked values by tokens and takes down whom records are about.

    Attributes:
        marks: Of the schema.
        tokeniser: Of the project.
        subjects: Digests that were found.
    """

    marks: Marks
    tokeniser: Tokeniser
    subjects: set[bytes] = field(default_factory=set)

    def apply(self, value: Any, place: Place) -> Any:
        """Return a value with its tokens; objects and arrays are changed in place."""
        if not place.marked:
            return value
        if place.subject and value is not None:
            self.subjects.add(self.tokeniser.subject(value))
        if place.tokens is not None:
            return None if value is None else self.tokeniser.token(value, place.tokens)
        if type(value) is dict:
            for key, inner in value.items():
                value[key] = self.apply(inner, self.marks.child(place, key))
        elif type(value) is list:
            for index, inner in enumerate(value):
                value[index] = self.apply(inner, self.marks.item(place, index))
        return value


def masked(value: Any, marks: Marks, place: Place) -> Any:
    """Return a value as it may be shown: whatever is sensitive is ``[masked]``."""
    if not place.marked:
        return value
    if place.sensitive:
        return None if value is None else MASK
    if type(value) is dict:
        return {key: masked(inner, marks, marks.child(place, key)) for key, inner in value.items()}
    if type(value) is list:
        return [masked(inner, marks, marks.item(place, index)) for index, inner in enumerate(value)]
    return value


def sensitive_texts(value: Any, marks: Marks, place: Place) -> Iterator[str]:
    """Give the sensitive texts and numbers of a value as a script would print them."""
    if not place.marked:
        return
    if place.sensitive:
        yield from _leaves(value)
    elif type(value) is dict:
        for key, inner in value.items():
            yield from sensitive_texts(inner, marks, marks.child(place, key))
    elif type(value) is list:
        for index, inner in enumerate(value):
            yield from sensitive_texts(inner, marks, marks.item(place, index))


def _leaves(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if type(each) is dict:
            waiting.extend(each.values())
        elif type(each) is list:
            waiting.extend(each)
        elif each is not None and type(each) is not bool:
            yield text_of(each)


class TextMasker:
    """Takes sensitive values out of texts that a script has written: console lines and messages of failures.

    Args:
        values: Sensitive values as texts; beyond ``MOST_VALUES`` nothing is shown.
    """

    def __init__(self, values: Iterator[str] | Sequence[str]) -> None:
        kept: set[str] = set()
        self.withholds = False
        for value in values:
            if value.strip():
                # Scripts print values by themselves, or within JSON.
                kept |= {value, json.dumps(value, ensure_ascii=False)[1:-1]}
            if len(kept) > MOST_VALUES:
                self.withholds = True
                kept.clear()
                break
        # The longest first: one value may be a part of another.
        self._long = sorted((each for each in kept if len(each) > _SHORT), key=len, reverse=True)
        short = sorted((each for each in kept if len(each) <= _SHORT), key=len, reverse=True)
        # A short value would be found in many words: it counts where it stands alone.
        words = "|".join(map(re.escape, short))
        self._short = re.compile(rf"(?<!\w)(?:{words})(?!\w)") if short else None

    def text(self, text: str) -> str:
        """Return a text without sensitive values, and without what looks like personal data anywhere."""
        if self.withholds:
            return _WITHHELD
        for value in self._long:
            if value in text:
                text = text.replace(value, MASK)
        if self._short is not None:
            text = self._short.sub(MASK, text)
        return mask_text(text)

    def lines(self, lines: Sequence[str]) -> tuple[str, ...]:
        """Return the lines of a console."""
        if self.withholds:
            return (_WITHHELD,) if lines else ()
        return tuple(map(self.text, lines))


def masked_parts(parts: Mapping[str, Any], masker: TextMasker) -> Mapping[str, Any]:
    """Return what became of chunks or groups without sensitive values.

    Each failed part has a message of its own, and a group is named by the values of its key.
    """
    failed = [
        each | {name: masker.text(each[name]) for name in ("key", "message") if each[name] is not None}
        for each in parts["failed"]
    ]
    return {**parts, "failed": failed}
