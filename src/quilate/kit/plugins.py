"""Things by name that other distributions bring: which names may be used, which are refused, what is broken and why."""

import re
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from quilate.kit.entry_points import Offered, offered

PREFIX = "quilate."
CHECKS = "quilate.checks"
CONNECTORS = "quilate.connectors"
BLUEPRINTS = "quilate.blueprints"
GROUPS = (CHECKS, CONNECTORS, BLUEPRINTS)

_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An entry point that is not used, and why."""

    offered: Offered
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginNames:
    """The names that entry points of one group add.

    Attributes:
        group: The group.
        noun: What there is under a name: ``check type``.
        form: What a name looks like, in words.
        pattern: The same as a regular expression.
        owner: Says whose a name is already (``Quilate``, a module), or empty.
    """

    group: str
    noun: str
    form: str
    pattern: str
    owner: Callable[[str], str]

    def usable(self) -> Mapping[str, Offered]:
        """Return by name what may be used; nothing is imported."""
        return {each.name: each for each in self._all() if not self._objection(each)}

    def refused(self) -> tuple[Refused, ...]:
        """Return what is not used for its name alone; nothing is imported."""
        found = [Refused(offered=each, reason=self._objection(each)) for each in self._all()]
        return tuple(each for each in found if each.reason)

    def quarrel(self, name: str) -> Refused | None:
        """Return the first of several plugins that want the same name, with all of them in its reason."""
        if self.owner(name):
            return None
        return next((each for each in self.refused() if each.offered.name == name), None)

    def _all(self) -> tuple[Offered, ...]:
        return tuple(each for each in offered(PREFIX) if each.group == self.group)

    def _objection(self, one: Offered) -> str:
        if not re.fullmatch(self.pattern, one.name):
            return f"{one.distribution} calls a {self.noun} {one.name[:100]!r}, which is not {self.form}"
        owner = self.owner(one.name)
        if owner:
            return f"the {self.noun} {one.name!r} of {one.distribution} is taken by {owner}"
        rivals = sorted({each.distribution for each in self._all() if each.name == one.name} - {one.distribution})
        if rivals:
            listed = " and ".join((one.distribution, *rivals))
            return f"the {self.noun} {one.name!r} is brought by {listed}, so none of them is used"
        return ""


def unreadable() -> tuple[Refused, ...]:
    """Return the distributions whose entry points cannot be read."""
    return tuple(
        Refused(offered=each, reason=f"{each.distribution}: {each.fault}") for each in offered(PREFIX) if each.fault
    )


def loaded(one: Offered) -> Any:
    """Return what an entry point names.

    Raises:
        Exception: Whatever its module raises.
    """
    module_name, _, attribute = one.value.partition(":")
    found: Any = import_module(module_name.strip())
    for name in attribute.strip().split(".") if attribute.strip() else ():
        found = getattr(found, name)
    return found


def reason_of(error: BaseException) -> str:
    """Return what was raised and where, in one line of bounded length."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno})" if frames else ""
    text = " ".join(f"{type(error).__name__}: {_text_of(error)}".split()).removesuffix(":")
    return f"{text[:_LONGEST_REASON]}{place}"


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an exception of a plugin may not even be able to say what it is
        return ""
