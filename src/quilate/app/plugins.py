"""What other distributions bring to this installation, each part tried: for ``quilate plugin list`` and the doctor."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quilate.blueprints.references import PLUGIN_BLUEPRINTS, load_blueprint
from quilate.checks.registry import PLUGIN_CHECKS, failure_of, load_check
from quilate.domain.errors import QuilateError
from quilate.kit.entry_points import offered
from quilate.kit.plugins import CONNECTORS, PREFIX, PluginNames, Refused, unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledPlugin:
    """One thing that a distribution brings.

    Attributes:
        kind: check, connector or blueprint.
        name: What it is called.
        distribution: Name and version of what brings it.
        fault: Why it cannot be used, or empty.
    """

    kind: str
    name: str
    distribution: str
    fault: str = ""


def installed_plugins() -> tuple[InstalledPlugin, ...]:
    """Return everything that installed plugins bring, tried, in the order of kinds and names."""
    return tuple(_found())


def _found() -> Iterator[InstalledPlugin]:
    yield from (_refused("plugin", each) for each in unreadable())
    yield from _of_kind("check", PLUGIN_CHECKS)
    if any(each.group == CONNECTORS for each in offered(PREFIX)):
        from quilate.connectors.registry import PLUGIN_CONNECTORS  # noqa: PLC0415 - 30 ms that only they need

        yield from _of_kind("connector", PLUGIN_CONNECTORS)
    yield from _of_kind("blueprint", PLUGIN_BLUEPRINTS)


def _of_kind(kind: str, names: PluginNames) -> Iterator[InstalledPlugin]:
    found = [_refused(kind, each) for each in names.refused()]
    for name, each in names.usable().items():
        found.append(InstalledPlugin(kind=kind, name=name, distribution=each.distribution, fault=_fault_of(kind, name)))
    yield from sorted(found, key=lambda each: (each.name, each.distribution))


def _refused(kind: str, one: Refused) -> InstalledPlugin:
    return InstalledPlugin(kind=kind, name=one.offered.name, distribution=one.offered.distribution, fault=one.reason)


def _fault_of(kind: str, name: str) -> str:
    try:
        if kind == "check":
            return failure_of(load_check(name))
        if kind == "blueprint":
            load_blueprint(name, Path())
            return ""
        from quilate.connectors.registry import load_connector  # noqa: PLC0415 - as above

        load_connector(name)
    except QuilateError as error:
        return str(error)
    return ""
