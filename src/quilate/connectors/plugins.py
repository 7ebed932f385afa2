"""Connectors of plugins: a wrapper that turns whatever breaks in a plugin into a failed delivery that names it."""

import dataclasses
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any

from quilate.deliveries.catalog import described_settings
from quilate.deliveries.connector import (
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    Outcome,
    SecretSpec,
)
from quilate.domain.errors import ConfigurationError, QuilateError
from quilate.kit.entry_points import Offered
from quilate.kit.log import logger
from quilate.kit.plugins import loaded, reason_of

_ATTRIBUTES = ("type", "kind", "summary", "settings", "secrets", "events", "deliver", "probe")
_NEXT_STEP = "`quilate plugin list` shows it; update or remove the package"
_LOG = logger(__name__)


class PluginConnector:
    """A connector of a plugin as the rest of Quilate sees it.

    Attributes:
        distribution: What brings it.
    """

    def __init__(self, distribution: str, connector: Any) -> None:
        self.distribution = distribution
        self._connector = connector
        self.type: str = connector.type
        self.kind: ConnectorKind = connector.kind
        self.summary: str = connector.summary
        self.settings: Any = connector.settings
        self.secrets: tuple[SecretSpec, ...] = connector.secrets
        self.events: frozenset[str] = connector.events

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Tell the outside system.

        Raises:
            DeliveryError: It did not take it, or the plugin is broken.
        """
        return await self._asked("deliver", event, context)

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Find out whether address and credentials work.

        Raises:
            DeliveryError: They do not, or the plugin is broken.
        """
        return await self._asked("probe", context)

    async def _asked(self, name: str, *arguments: Any) -> Outcome:
        try:
            awaited: Awaitable[Any] = getattr(self._connector, name)(*arguments)
            outcome = await awaited
        except QuilateError:
            raise
        except (Exception, SystemExit) as error:
            _LOG.exception("a plugin's connector broke", connector=self.type, distribution=self.distribution)
            raise self._broken(f"{name} raised {reason_of(error)}") from error
        if not isinstance(outcome, Outcome):
            raise self._broken(f"{name} returned {type(outcome).__name__} instead of Outcome")
        return outcome

    def _broken(self, what: str) -> DeliveryError:
        # Not permanent: with a mended plugin the same delivery succeeds.
        return DeliveryError(f"the plugin {self.distribution} is broken: {self.type}: {what}", next_step=_NEXT_STEP)


def plugin_connector(one: Offered) -> PluginConnector:
    """Return the connector of an entry point.

    Raises:
        ConfigurationError: It is broken.
    """
    connector, failure = _tried(one)
    if connector is None:
        raise ConfigurationError(
            f"the plugin {one.distribution} is broken: {one.name}: {failure}", next_step=_NEXT_STEP
        )
    return connector


@lru_cache(maxsize=256)
def _tried(one: Offered) -> tuple[PluginConnector | None, str]:
    try:
        connector = loaded(one)()
        faults = _faults(connector, one.name)
        if not faults:
            described_settings(connector)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin that breaks takes nothing else down
        return None, reason_of(error)
    return (None, "; ".join(faults)) if faults else (PluginConnector(one.distribution, connector), "")


def _faults(connector: Any, name: str) -> list[str]:
    missing = [each for each in _ATTRIBUTES if not hasattr(connector, each)]
    if missing:
        return [f"{type(connector).__name__} lacks {', '.join(missing)}"]
    wrong = {
        f"its type is {connector.type!r}, its entry point is called {name!r}": connector.type != name,
        "its kind is not a ConnectorKind": not isinstance(connector.kind, ConnectorKind),
        "its summary is not a text": not isinstance(connector.summary, str),
        "its settings are not a dataclass": not _is_dataclass(connector.settings),
        "its secrets are not a tuple of SecretSpec": not _all_of(connector.secrets, tuple, SecretSpec),
        "its events are not a frozenset of texts": not _all_of(connector.events, frozenset, str),
        "its deliver cannot be called": not callable(connector.deliver),
        "its probe cannot be called": not callable(connector.probe),
    }
    return [text for text, holds in wrong.items() if holds]


def _is_dataclass(kind: Any) -> bool:
    return isinstance(kind, type) and dataclasses.is_dataclass(kind)


def _all_of(value: Any, kind: type, item: type) -> bool:
    return isinstance(value, kind) and all(isinstance(each, item) for each in value)  # type: ignore[attr-defined]
