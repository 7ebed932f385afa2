"""One attempt of a delivery: from a claim to how it ended."""

import asyncio
import time
import traceback
from collections import OrderedDict
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from quilate.deliveries.catalog import ConnectorCatalog, settings_of
from quilate.deliveries.connector import Connector, DeliveryError, Outcome
from quilate.deliveries.context import StoredContext, sealed_secrets
from quilate.deliveries.model import Claimed, DeliveryState, Ending
from quilate.deliveries.reports import ReportReader
from quilate.deliveries.store import one
from quilate.domain.errors import QuilateError
from quilate.kit.backoff import Backoff
from quilate.kit.database.database import Database
from quilate.kit.log import logger
from quilate.kit.outgoing.addresses import AddressPolicy
from quilate.kit.outgoing.http import OutgoingError, OutgoingHttp
from quilate.kit.secrets.opened import Secrets
from quilate.outbox.breakers import Breakers, CircuitOpenError

LONGEST_DETAIL = 1_000
REFUSED = "refused"
"""The outcome of what the circuit breaker did not let through: no attempt was made."""

LONGEST_PAUSE_SECONDS = 24 * 3600.0
_KEPT_CONNECTIONS = 256

_LOG = logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingOptions:
    """How deliveries are attempted.

    Attributes:
        attempt_seconds: An attempt that takes longer has failed.
        most_attempts: After so many failures a delivery is a dead letter.
        backoff: The pauses between attempts.
        rest_seconds: A connection that its circuit breaker keeps closed is looked at again after so long.
    """

    attempt_seconds: float = 60.0
    most_attempts: int = 14
    backoff: Backoff = field(default_factory=lambda: Backoff(first_seconds=5.0, longest_seconds=3600.0))
    rest_seconds: float = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SendingParts:
    """What sending stands on; ``base_url`` is where people reach the service."""

    database: Database
    box: Secrets
    catalog: ConnectorCatalog
    reports: ReportReader
    policy: AddressPolicy
    breakers: Breakers


@dataclass(frozen=True, slots=True, kw_only=True)
class _Open:
    """A connection as it stood at one revision, ready to be used."""

    revision: int
    connector: Connector
    target: str
    context: StoredContext


class ConnectorBrokenError(DeliveryError):
    """The connector's own code failed; its receiver had no part in it."""


class Sender:
    """Attempts deliveries; keeps connections open between them."""

    def __init__(self, parts: SendingParts, options: SendingOptions) -> None:
        self._parts = parts
        self._options = options
        self._open: OrderedDict[UUID, _Open] = OrderedDict()
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """Close all connections."""
        for opened in self._open.values():
            await opened.context.http.close()
        self._open.clear()

    async def attempt(self, claimed: Claimed) -> Ending:
        """Return how an attempt ended; nothing but a cancellation leaves this."""
        begin = time.monotonic()
        try:
            outcome = await self._guarded(claimed)
        except CircuitOpenError as resting:
            return Ending(
                claimed=claimed,
                state=DeliveryState.PENDING,
                outcome=REFUSED,
                detail=str(resting),
                next_step=resting.next_step,
                pause_seconds=min(max(resting.retry_seconds, 0.0), self._options.rest_seconds),
            )
        except DeliveryError as error:
            return self._failed(claimed, error, begin)
        except QuilateError as error:
            return self._failed(claimed, DeliveryError(error.message, next_step=error.next_step, permanent=True), begin)
        except Exception as error:  # noqa: BLE001 - one delivery that breaks takes no other down
            _LOG.exception("a delivery broke", connection=str(claimed.connection_id))
            broken = DeliveryError(f"the delivery broke: {type(error).__name__}", next_step="the log says where")
            return self._failed(claimed, broken, begin)
        return Ending(
            claimed=claimed,
            state=DeliveryState.DELIVERED,
            outcome=outcome.kind.value,
            detail=outcome.summary[:LONGEST_DETAIL],
            reference=outcome.reference[:LONGEST_DETAIL],
            duration_ms=_since(begin),
        )

    async def _guarded(self, claimed: Claimed) -> Outcome:
        opened = await self._opened(claimed)
        permit = await self._parts.breakers.admit(opened.target)
        try:
            outcome = await self._sent(claimed, opened)
        except DeliveryError as error:
            # What is wrong with one delivery says nothing about the receiver; what nobody answers does.
            harmless = error.permanent or isinstance(error, ConnectorBrokenError)
            await self._parts.breakers.report(permit, succeeded=harmless)
            raise
        except asyncio.CancelledError:
            raise
        except Exception:
            await self._parts.breakers.report(permit, succeeded=True)
            raise
        await self._parts.breakers.report(permit, succeeded=True)
        return outcome

    async def _sent(self, claimed: Claimed, opened: _Open) -> Outcome:
        return await bounded(
            opened.connector.deliver(claimed.event, opened.context), opened.context, self._options.attempt_seconds
        )

    def _failed(self, claimed: Claimed, error: DeliveryError, begin: float) -> Ending:
        last = error.permanent or claimed.attempt >= self._options.most_attempts
        pause = self._options.backoff.pause(claimed.attempt)
        if error.retry_after_seconds is not None:
            pause = max(pause, error.retry_after_seconds)
        return Ending(
            claimed=claimed,
            state=DeliveryState.DEAD if last else DeliveryState.PENDING,
            outcome="failed",
            detail=error.message[:LONGEST_DETAIL],
            next_step=(error.next_step or ("correct the connection, then replay it" if last else ""))[:LONGEST_DETAIL],
            pause_seconds=min(pause, LONGEST_PAUSE_SECONDS),
            duration_ms=_since(begin),
            disables=error.disables_connection,
        )

    async def _opened(self, claimed: Claimed) -> _Open:
        async with self._opening:
            return await self._kept_open(claimed)

    async def _kept_open(self, claimed: Claimed) -> _Open:
        known = self._open.get(claimed.connection_id)
        if known is not None and known.revision == claimed.revision:
            self._open.move_to_end(claimed.connection_id)
            return known
        context, connector, revision = await open_context(self._parts, claimed.connection_id)
        opened = _Open(
            revision=revision,
            connector=connector,
            target=target_of(claimed.connection_id, connector, context.settings),
            context=context,
        )
        if known is not None:
            await known.context.http.close()
        self._open[claimed.connection_id] = opened
        while len(self._open) > _KEPT_CONNECTIONS:
            _, oldest = self._open.popitem(last=False)
            await oldest.context.http.close()
        return opened


async def bounded(call: Awaitable[Outcome], context: StoredContext, seconds: float) -> Outcome:
    """Return what a connector's call brought, in time and without the connection's secrets.

    Raises:
        DeliveryError: It failed, broke or took too long.
    """
    try:
        async with asyncio.timeout(seconds):
            outcome = await call
    except TimeoutError as error:
        raise DeliveryError(f"no answer within {seconds:g} s") from error
    except DeliveryError as error:
        raise DeliveryError(
            context.without_secrets(error.message),
            next_step=context.without_secrets(error.next_step),
            permanent=error.permanent,
            retry_after_seconds=error.retry_after_seconds,
            disables_connection=error.disables_connection,
        ) from None
    except OutgoingError as error:
        raise DeliveryError(
            context.without_secrets(error.message),
            next_step=context.without_secrets(error.next_step),
            permanent=error.permanent,
        ) from None
    except QuilateError as error:
        raise DeliveryError(
            context.without_secrets(error.message),
            next_step=context.without_secrets(error.next_step),
            permanent=True,
        ) from None
    except Exception as error:  # noqa: BLE001 - a connector that breaks takes nothing else down
        # Neither its words nor the values that it held: both may have a secret among them.
        place = traceback.extract_tb(error.__traceback__)[-1]
        kind = type(error).__name__
        _LOG.error("a connector broke", connection=str(context.connection_id), error=kind, file=place.filename,
            line=place.lineno)  # fmt: skip
        raise ConnectorBrokenError(
            f"the connector broke: {kind}", next_step=f"see {place.name} in the connector's code"
        ) from None
    return replace(
        outcome,
        summary=context.without_secrets(outcome.summary),
        reference=context.without_secrets(outcome.reference),
    )


async def open_context(
    parts: SendingParts, connection_id: UUID, *, dry_run: bool = False
) -> tuple[StoredContext, Connector, int]:
    """Return a connection's context and connector, and the revision that they are of.

    Raises:
        DeliveryError: The connection is gone, or what it names is.
    """
    async with parts.database.connection() as connection:
        row: Mapping[str, Any] | None = await one(connection, "working_connection", id=connection_id)
    if row is None:
        raise DeliveryError("the connection was deleted", permanent=True)
    connector = parts.catalog.load(row["type"])
    context = StoredContext(
        database=parts.database,
        box=parts.box,
        reports=parts.reports,
        project_id=row["project_id"],
        connection_id=connection_id,
        settings=settings_of(connector, row["settings"]),
        sealed=await sealed_secrets(parts.database, connection_id),
        http=OutgoingHttp(policy=parts.policy, dry_run=dry_run),
        dry_run=dry_run,
    )
    return context, connector, row["revision"]


def target_of(connection_id: UUID, connector: Connector, settings: Any) -> str:
    """Return what the circuit breaker stands before: the receiver's host, for this connection alone.

    Two tenants with one provider do not answer for each other's tokens.
    """
    address = next((str(getattr(settings, name)) for name in ("base_url", "url") if hasattr(settings, name)), "")
    host = urlsplit(address).hostname or connector.type
    return f"{host} (connection {connection_id})"


def _since(begin: float) -> int:
    return int((time.monotonic() - begin) * 1000)
