"""What a connector is: one class that tells one outside system what happened. Plugins get it from ``quilate.sdk``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Protocol
from uuid import UUID

from quilate.domain.errors import QuilateError
from quilate.kit.outgoing.http import OutgoingHttp
from quilate.runs.triggers.model import Trigger


class ConnectorKind(StrEnum):
    """What a connector is for; each kind has one contract suite."""

    FORGE = "forge"
    TICKETS = "tickets"
    NOTIFY = "notify"
    REGISTRY = "registry"
    CATALOG = "catalog"
    WEBHOOK = "webhook"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretSpec:
    """A secret that a connection holds for its connector: encrypted at rest, never shown again, never logged."""

    name: str
    meaning: str
    required: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredEvent:
    """An event as connectors get it.

    Attributes:
        id: The same in every attempt: receivers know repetitions by it.
        type: Such as ``dev.quilate.run.finished``.
        time: When it happened.
        project: The project's slug.
        subject: What it is about: ``run:ID``, ``waiver:ID``, …
        data: What the event says.
        run_id: The run that it is about, if any.
    """

    id: UUID
    type: str
    time: datetime
    project: str
    subject: str
    data: Mapping[str, Any]
    run_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedCheck:
    """A check of a run."""

    id: str
    type: str
    stage: str
    result: str
    required: bool
    reason: str = ""
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedFinding:
    """A finding of a run."""

    check: str
    rule: str
    severity: str
    message: str
    fingerprint: str
    path: str = ""
    line: int | None = None
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What there is to say about a run.

    Attributes:
        id: The run.
        project: The project's slug.
        status: As in the vocabulary: queued, running, succeeded, failed, cancelled.
        verdict: PASS, FAIL, UNKNOWN, or empty where there is none.
        headline: One sentence.
        reasons: Why the verdict is what it is, one line each, most important first.
        next_steps: What to do, one line each.
        checks: In the order of the plan.
        findings: The worst first, no more than 1,000.
        findings_total: How many there are.
        blueprint: ``name@version`` and digest.
        decision_digest: Of the decision document; empty where there is none.
        waivers: Names of the waivers that the decision used.
        subject_kind, subject_name, subject_digest: What was judged.
        revision, branch: Where it was, for git.
        url: The run's page.
        trigger: What the event said, for runs that an event began.
        what_if: What the change's own blueprint would have said, as a sentence; empty where it is the binding one.
        superseded: The run ended because a newer one took its place.
    """

    id: UUID
    project: str
    status: str
    verdict: str = ""
    headline: str = ""
    reasons: Sequence[str] = ()
    next_steps: Sequence[str] = ()
    checks: Sequence[ReportedCheck] = ()
    findings: Sequence[ReportedFinding] = ()
    findings_total: int = 0
    blueprint: str = ""
    blueprint_digest: str = ""
    decision_digest: str = ""
    waivers: Sequence[str] = ()
    subject_kind: str = ""
    subject_name: str = ""
    subject_digest: str = ""
    revision: str = ""
    branch: str = ""
    url: str = ""
    trigger: Trigger | None = None
    what_if: str = ""
    superseded: bool = False
    submitted_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


class OutcomeKind(StrEnum):
    """What became of a delivery that did not fail."""

    DELIVERED = "delivered"
    NOTHING_TO_DO = "nothing-to-do"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a connector did.

    Attributes:
        summary: One sentence for people: ``set status failure on 4f2a9c1``.
        reference: The provider's own address or id of what was made.
        kind: ``nothing-to-do``: this event is none of the connector's business.
    """

    summary: str
    reference: str = ""
    kind: OutcomeKind = OutcomeKind.DELIVERED


class DeliveryError(QuilateError):
    """A delivery that failed.

    Attributes:
        permanent: Trying again cannot help (a revoked token, an unknown repository): to the dead letters at once.
        retry_after_seconds: How long the receiver asked to be left alone.
        disables_connection: The receiver wants nothing any more: the connection is switched off.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        permanent: bool = False,
        retry_after_seconds: float | None = None,
        disables_connection: bool = False,
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.permanent = permanent or disables_connection
        self.retry_after_seconds = retry_after_seconds
        self.disables_connection = disables_connection


class DeliveryContext(Protocol):
    """A connector's only door to the world.

    Attributes:
        settings: An instance of the connector's ``settings``.
        http: Filtered and bounded; with a dry run nothing leaves it and what would have been sent is recorded.
        dry_run: Nothing may be changed anywhere.
    """

    settings: Any
    http: OutgoingHttp
    dry_run: bool

    def secret(self, name: str) -> str:
        """Return a secret of the connection; empty for an optional one that was not given."""
        ...

    async def report(self, run_id: UUID) -> RunReport:
        """Return what there is to say about a run."""
        ...

    async def sarif(self, run_id: UUID) -> bytes:
        """Return the run's merged SARIF 2.1.0 log."""
        ...

    async def remembered(self, key: str) -> str | None:
        """Return what this connection remembered under a key: a comment's id, a ticket's number."""
        ...

    async def remember(self, key: str, value: str) -> None:
        """Keep something for later deliveries of this connection; durable when it returns."""
        ...


class Connector(Protocol):
    """One outside system.

    Delivery is at least once: a connector finds by ``remembered``, or at the provider by a marker that it left there,
    what an earlier attempt has made, and edits it in place. It keeps no state of its own.
    """

    type: ClassVar[str]
    kind: ClassVar[ConnectorKind]
    summary: ClassVar[str]
    settings: ClassVar[Any]
    secrets: ClassVar[tuple[SecretSpec, ...]]
    events: ClassVar[frozenset[str]]

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Tell the outside system.

        Raises:
            DeliveryError: It did not take it.
        """
        ...

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Find out whether address and credentials work, changing nothing that matters: the test delivery.

        Raises:
            DeliveryError: They do not.
        """
        ...


ALL_EVENTS: frozenset[str] = frozenset({"*"})
RUN_QUEUED = "dev.quilate.run.queued"
RUN_FINISHED = "dev.quilate.run.finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSettings:
    """Of a connector that needs none."""
