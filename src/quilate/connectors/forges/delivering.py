"""What all forges have in common: in which order a run is told, what is left alone, what is made only once."""

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from quilate.accounts.model import Role
from quilate.connectors.forges import markdown
from quilate.connectors.forges.calls import Calls, RefusedError, UnknownCommitError
from quilate.connectors.forges.report import Judged, State, is_elsewhere, judged
from quilate.deliveries.connector import (
    RUN_FINISHED,
    RUN_QUEUED,
    ConnectorKind,
    DeliveredEvent,
    DeliveryContext,
    DeliveryError,
    Outcome,
    OutcomeKind,
    RunReport,
    SecretSpec,
)

_FORBIDDEN = 403
_GONE = frozenset({404, 410})
_NOT_OURS = frozenset({403, 404, 410})


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedComment:
    """A comment of a request."""

    id: str
    body: str


class Repository(ABC):
    """A repository at a forge, for one delivery."""

    longest_comment: ClassVar[int]
    separate_runs: bool = False
    """Each run has a status of its own, so that an older one is told without hiding a newer one."""

    def __init__(self, context: DeliveryContext, calls: Calls) -> None:
        self.context = context
        self.settings: Any = context.settings
        self.calls = calls

    @abstractmethod
    async def identity(self) -> str:
        """Return the repository's id, which stays when it is renamed."""

    @abstractmethod
    async def publish(self, run: Judged, *, newest: bool) -> str:
        """Set the commit's status and return its address or id."""

    @abstractmethod
    async def comments(self, number: int) -> Sequence[PostedComment]:
        """Return the comments of a request, the oldest first."""

    @abstractmethod
    async def create_comment(self, number: int, body: str) -> str:
        """Return the id of a new comment."""

    @abstractmethod
    async def edit_comment(self, number: int, comment: str, body: str) -> None:
        """Replace the body of a comment."""

    @abstractmethod
    async def delete_comment(self, number: int, comment: str) -> None:
        """Take back a comment."""

    @abstractmethod
    async def probe(self) -> str:
        """Return one sentence about what the token may do, having changed nothing."""

    @abstractmethod
    async def role_of(self, login: str) -> Role | None:
        """Return what somebody's role in the repository amounts to here; ``None``: no right to change it.

        Raises:
            DeliveryError: The forge cannot be asked.
        """

    async def upload(self, run: Judged) -> str:
        """Give further reports to the forge; return what was done, in words, or nothing."""
        del run
        return ""

    def comment_key(self, run: Judged) -> str:
        """Return what proves that a comment is the connection's own."""
        secret = "\0".join(self.calls.secrets)
        return markdown.proof(secret, run.report.project, self.settings.repository, run.pull_request or 0)

    def comment_body(self, run: Judged) -> str:
        """Return the comment's Markdown."""
        return markdown.render_comment(run, self.comment_key(run), self.longest_comment)


class ForgeConnector(ABC):
    """Implements ``Connector`` for forges; a subclass knows how one of them is spoken to."""

    type: ClassVar[str]
    kind: ClassVar[ConnectorKind] = ConnectorKind.FORGE
    summary: ClassVar[str]
    settings: ClassVar[Any]
    secrets: ClassVar[tuple[SecretSpec, ...]]
    events: ClassVar[frozenset[str]] = frozenset({RUN_QUEUED, RUN_FINISHED})

    @abstractmethod
    async def open(self, context: DeliveryContext) -> Repository:
        """Return the connection's repository.

        Raises:
            DeliveryError: The connection lacks something.
        """

    async def deliver(self, event: DeliveredEvent, context: DeliveryContext) -> Outcome:
        """Set the commit's status, and after the run's end the request's comment.

        Raises:
            DeliveryError: The forge did not take it.
        """
        if event.type not in self.events or event.run_id is None:
            return _nothing("the event is about no run's beginning or end")
        report = await context.report(event.run_id)
        run = judged(report, context.settings.context)
        if run is None:
            return _nothing("the run judged no commit")
        if is_elsewhere(report, self.type):
            return _nothing("the run came from another forge")
        repository = await self.open(context)
        if not await _is_ours(report, repository, self.type):
            return _nothing("the run came from another repository")
        return await _told(run, repository)

    async def probe(self, context: DeliveryContext) -> Outcome:
        """Find out whether the token works and may do what is needed.

        Raises:
            DeliveryError: It does not.
        """
        repository = await self.open(context)
        return Outcome(summary=await repository.probe())


def required_secret(context: DeliveryContext, name: str) -> str:
    """Return a secret.

    Raises:
        DeliveryError: It was not given.
    """
    secret = context.secret(name)
    if not secret:
        raise DeliveryError(f"the connection holds no {name}", next_step=f"store its {name}", permanent=True)
    return secret


def require_settings(base_url: str, repository: str, *, deeper: bool = False) -> None:
    """Refuse settings that cannot be right; ``deeper``: repositories lie in groups of groups.

    Raises:
        ValueError: One of them.
    """
    if not re.match(r"\Ahttps?://[^\s/?#@]+(/[^\s?#]*)?\Z", base_url):
        raise ValueError("`base_url` is not like https://forge.example/api")
    parts = repository.split("/")
    most = 20 if deeper else 2
    if not 1 < len(parts) <= most or not all(re.match(r"\A[\w.-]{1,255}\Z", part) for part in parts):
        raise ValueError("`repository` is not like owner/name")
    if {".", ".."} & set(parts):
        raise ValueError("`repository` is not like owner/name")


def _nothing(why: str) -> Outcome:
    return Outcome(summary=why, kind=OutcomeKind.NOTHING_TO_DO)


async def _is_ours(report: RunReport, repository: Repository, forge: str) -> bool:
    """Return whether a run is one of the connection's repository, under whichever name."""
    trigger = report.trigger
    if trigger is None or not trigger.repository:
        return True
    # Only the forge's own events tell its ids.
    return await is_same(repository, trigger.repository, trigger.repository_id if trigger.provider == forge else "")


async def is_same(repository: Repository, name: str, told: str) -> bool:
    """Return whether the forge's own event, by name and id, is about a connection's repository.

    Raises:
        DeliveryError: The forge cannot be asked.
    """
    context = repository.context
    if name.lower() == context.settings.repository.lower():
        if told:
            await _keep(context, "repository-id", told)
        return True
    if not told:
        return False
    known = await context.remembered("repository-id") or await repository.identity()
    if known:
        await _keep(context, "repository-id", known)
    return known == told


async def _keep(context: DeliveryContext, key: str, value: str) -> None:
    if await context.remembered(key) != value:
        await context.remember(key, value)


async def _told(run: Judged, repository: Repository) -> Outcome:
    context = repository.context
    newest = await _is_newest(context, f"newest:commit:{run.context}:{run.commit}", run)
    done: list[str] = []
    reference = ""
    if newest or repository.separate_runs:
        reference = await _published(run, repository, done, newest=newest)
    if run.state.final and run.state is not State.SUPERSEDED:
        if run.pull_request is not None and context.settings.comment:
            reference = await _commented(run, repository, done) or reference
        if newest:
            done.extend(filter(None, [await repository.upload(run)]))
    if not done:
        return _nothing("a newer run of the same commit was told already")
    words = "would have " if context.dry_run else ""
    return Outcome(summary=f"{words}{' and '.join(done)}", reference=reference)


async def _published(run: Judged, repository: Repository, done: list[str], *, newest: bool) -> str:
    try:
        reference = await repository.publish(run, newest=newest)
    except UnknownCommitError:
        # A fork's commit need not be in the repository that is merged into; the comment still tells the verdict.
        if not run.from_fork:
            raise
        done.append(f"left {run.commit[:12]} without a status, which only the fork holds")
        return ""
    key = f"newest:commit:{run.context}:{run.commit}"
    if newest and await _is_newest(repository.context, key, run):
        await _keep(repository.context, key, run.order)
    if reference or newest:
        done.append(f"set status {run.state.value} on {run.commit[:12]}")
    return reference


async def _is_newest(context: DeliveryContext, key: str, run: Judged) -> bool:
    return run.order >= (await context.remembered(key) or "")


async def _commented(run: Judged, repository: Repository, done: list[str]) -> str:
    """Write the request's one comment, or rewrite it; return its id, or nothing where a newer run has written it."""
    number = run.pull_request or 0
    context, key, newest = repository.context, f"comment:{number}", f"newest:request:{number}"
    if not await _is_newest(context, newest, run):
        return ""
    body = repository.comment_body(run)
    known = await context.remembered(key)
    identifier = known if known and await _edited(repository, number, known, body, _GONE) else ""
    word = "edited"
    if not identifier:
        identifier = await _found(repository, run, body)
    if not identifier:
        word = "wrote"
        identifier = await _created(repository, run, body)
    await _keep(context, key, identifier)
    if await _is_newest(context, newest, run):
        await _keep(context, newest, run.order)
    done.append(f"{word} the comment of request {number}")
    return identifier


async def _edited(repository: Repository, number: int, comment: str, body: str, gone: frozenset[int]) -> bool:
    try:
        await repository.edit_comment(number, comment, body)
    except RefusedError as refused:
        if refused.status in gone:
            return False
        raise
    return True


async def _own(repository: Repository, run: Judged) -> Sequence[PostedComment]:
    """Return the connection's own comments of a request, the oldest first."""
    first = repository.comment_body(run).partition("\n\n")[0]
    posted = await repository.comments(run.pull_request or 0)
    return [each for each in posted if each.body.replace("\r\n", "\n").startswith(first)]


async def _found(repository: Repository, run: Judged, body: str) -> str:
    for each in await _own(repository, run):
        if await _edited(repository, run.pull_request or 0, each.id, body, _NOT_OURS):
            return each.id
    return ""


async def _created(repository: Repository, run: Judged, body: str) -> str:
    """Write a comment; where two runs of one request do so at the same time, the older comment stays alone."""
    number = run.pull_request or 0
    created = await repository.create_comment(number, body)
    if not created:
        return created
    own = await _own(repository, run)
    older = own[0].id if own and own[0].id != created else ""
    if not older:
        return created
    newest = await _is_newest(repository.context, f"newest:request:{number}", run)
    if newest and not await _edited(repository, number, older, body, _NOT_OURS):
        return created
    await repository.delete_comment(number, created)
    return older


def only_administrators(refused: RefusedError, forge: str) -> RefusedError:
    """Return why a forge did not tell somebody's role, with what to do where the token may not ask for it."""
    if refused.status != _FORBIDDEN:
        return refused
    return RefusedError(
        f"{forge} tells roles of people only to administrators of the repository",
        status=refused.status,
        next_step="give the connection a token that administers the repository, or approve waivers in Quilate",
    )
