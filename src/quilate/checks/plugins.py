"""Checks of plugins: a wrapper that lets nothing of a plugin's faults out but errors of that one check.

A check whose plugin cannot be loaded is still a check: it can be planned, with any parameters and binding, and its
result is ``error`` with the reason and the distribution's name, so that the verdict is UNKNOWN.
"""

import builtins
import dataclasses
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from quilate.checks.api import Canary, Check, Context, Inputs, Isolation, NoBinding, Queue
from quilate.domain.errors import EvidenceError, QuilateError
from quilate.evidence.model import Evidence, FactSpec
from quilate.kit.entry_points import Offered
from quilate.kit.plugins import Refused, loaded, reason_of

_T = TypeVar("_T")
_METHODS = ("produces", "inputs", "run", "canary")
_SEVERITY_THRESHOLD = "severity_threshold"


class PluginCheckError(EvidenceError):
    """A plugin's check is broken.

    Attributes:
        report: The traceback, or empty.
    """

    def __init__(self, message: str, *, report: str = "") -> None:
        super().__init__(message, next_step="`quilate plugin list` shows it; update or remove the package")
        self.report = report


class PluginCheck:
    """A check of a plugin as the rest of Quilate sees it.

    Attributes:
        failure: Why it cannot be used, or empty.
        distribution: What brings it.
        documentation: Of its module, or else of its class.
        place: The directory of its package, or its module's file: an edited check never answers from the cache.
    """

    def __init__(self, check_type: str, distribution: str, check: Check | None, failure: str = "") -> None:
        self.failure = failure
        self.distribution = distribution
        self.documentation = "" if check is None else _documentation(check)
        self.place = "" if check is None else _place(check)
        self._check = check
        self.type = check_type
        self.version: str = "" if check is None else check.version
        self.profile: Mapping[str, Any] = {_SEVERITY_THRESHOLD: "low"} if check is None else check.profile
        self.queue = Queue.CODE if check is None else check.queue
        # What ends its whole process must not end one that others are in: a plugin's check never runs in a thread.
        alone = check is not None and check.isolation is Isolation.EXCLUSIVE
        self.isolation = Isolation.EXCLUSIVE if alone else Isolation.PROCESS
        self.parameters: builtins.type = NoBinding if check is None else check.parameters
        self.binding: builtins.type = NoBinding if check is None else check.binding

    def produces(self, parameters: Any) -> tuple[FactSpec, ...]:
        """Return the facts; none where the plugin is broken, which ``inputs`` then says."""
        try:
            return self._facts(parameters)
        except PluginCheckError:
            return ()

    def inputs(self, parameters: Any, binding: Any) -> Inputs:
        """Return what the answer depends on.

        Raises:
            PluginCheckError: The plugin is broken.
        """
        self._facts(parameters)
        return self._asked("inputs", Inputs, lambda check: check.inputs(parameters, binding))

    def run(self, context: Context) -> Evidence:
        """Answer the question.

        Raises:
            EvidenceError: It cannot be answered, or the plugin is broken.
        """
        evidence = self._asked("run", Evidence, lambda check: check.run(context))
        try:
            # What has another type inside would break whoever reads it, far from here.
            return msgspec.json.decode(msgspec.json.encode(evidence), type=Evidence)
        except UnicodeEncodeError:
            return evidence  # Names of files that are not UTF-8.
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            raise self._broken(f"run left evidence that cannot be read: {error}") from error

    def canary(self, directory: Path) -> Canary:
        """Write the canary.

        Raises:
            PluginCheckError: The plugin is broken.
        """
        return self._asked("canary", Canary, lambda check: check.canary(directory))

    def _facts(self, parameters: Any) -> tuple[FactSpec, ...]:
        specs = self._asked("produces", tuple, lambda check: check.produces(parameters))
        if not all(isinstance(each, FactSpec) for each in specs):
            raise self._broken("produces returned something else than FactSpec")
        return specs

    def _asked(self, name: str, kind: builtins.type[_T], ask: Callable[[Check], Any]) -> _T:
        """Return what a method of the plugin's check returns.

        Raises:
            PluginCheckError: It is broken.
            QuilateError: It says itself what is wrong.
        """
        if self._check is None:
            raise self._broken(self.failure)
        try:
            answer = ask(self._check)
        except QuilateError:
            raise
        except (Exception, SystemExit) as error:
            raise self._broken(f"{name} raised {reason_of(error)}", traceback.format_exc()) from error
        if not isinstance(answer, kind):
            raise self._broken(f"{name} returned {type(answer).__name__} instead of {kind.__name__}")
        return answer

    def _broken(self, what: str, report: str = "") -> PluginCheckError:
        return PluginCheckError(f"the plugin {self.distribution} is broken: {self.type}: {what}", report=report)


@lru_cache(maxsize=256)
def plugin_check(one: Offered) -> PluginCheck:
    """Return the check of an entry point, whatever becomes of loading it."""
    try:
        check = loaded(one)()
        faults = _faults(check, one.name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin that breaks takes nothing else down
        return PluginCheck(one.name, one.distribution, None, reason_of(error))
    if faults:
        return PluginCheck(one.name, one.distribution, None, "; ".join(faults))
    return PluginCheck(one.name, one.distribution, check)


def refused_check(refused: Refused) -> PluginCheck:
    """Return the check of a name that several plugins want: it can be planned and never run."""
    return PluginCheck(refused.offered.name, refused.offered.distribution, None, refused.reason)


def _faults(check: Any, name: str) -> list[str]:
    """Return what keeps an object from being a check."""
    missing = [
        each
        for each in ("type", "version", "profile", "queue", "isolation", "parameters", "binding", *_METHODS)
        if not hasattr(check, each)
    ]
    if missing:
        return [f"{type(check).__name__} lacks {', '.join(missing)}"]
    wrong = {
        f"its type is {check.type!r}, its entry point is called {name!r}": check.type != name,
        "its version is not a text": not (isinstance(check.version, str) and check.version),
        f"its profile does not give {_SEVERITY_THRESHOLD}": (
            not isinstance(check.profile, Mapping) or _SEVERITY_THRESHOLD not in check.profile
        ),
        "its queue is not a Queue": not isinstance(check.queue, Queue),
        "its isolation is not an Isolation": not isinstance(check.isolation, Isolation),
        "its parameters are not a dataclass": not _is_dataclass(check.parameters),
        "its binding is not a dataclass": not _is_dataclass(check.binding),
        **{f"its {each} cannot be called": not callable(getattr(check, each)) for each in _METHODS},
    }
    return [text for text, holds in wrong.items() if holds]


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _documentation(check: Check) -> str:
    module = sys.modules.get(type(check).__module__)
    return inspect.cleandoc((module.__doc__ if module else "") or type(check).__doc__ or "")


def _place(check: Check) -> str:
    package = sys.modules.get(type(check).__module__.partition(".")[0])
    folders = [str(each) for each in getattr(package, "__path__", ())]
    return folders[0] if folders else str(getattr(package, "__file__", None) or "")
