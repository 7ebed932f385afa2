"""What must lie in the artifact store before rows refer to it, and what becomes of it where the store takes nothing."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import msgspec
import structlog

from quilate.domain.verdict import Completion
from quilate.evidence.artifacts import ArtifactStorageError, ArtifactStore
from quilate.runs.durable.items import Carried, Completed, Decided, Item, Planned
from quilate.runs.durable.rows import LONGEST_INLINE_BYTES
from quilate.runs.judging import encoded_evidence
from quilate.runs.state import Attempt

_LOG = structlog.get_logger("quilate.worker")


def unkept(attempt: Attempt, reason: str, next_step: str) -> Attempt:
    """Return how an attempt ends whose evidence cannot be kept: what nobody can look at decides nothing."""
    return msgspec.structs.replace(
        attempt,
        completion=Completion.ERROR,
        evidence=None,
        reason=f"the check's evidence cannot be kept: {reason}",
        next_step=next_step,
    )


async def keep_artifacts(attempt: Attempt, directory: Path, store: ArtifactStore) -> Attempt:
    """Move the artifacts of an attempt to the store; return the attempt, or how it ends where that failed.

    Args:
        attempt: What the check came to.
        directory: Where the check left its artifacts, by their digests.
        store: Where they go.
    """
    if attempt.evidence is None:
        return attempt
    try:
        for artifact in attempt.evidence.artifacts:
            path = directory / artifact.digest.removeprefix("sha256:")
            if path.is_file():
                await asyncio.to_thread(store.put_file, path)
    except ArtifactStorageError as error:
        return unkept(attempt, error.message, error.next_step)
    except OSError as error:
        return unkept(attempt, error.strerror or type(error).__name__, "see the worker's disk, then run again")
    return attempt


async def keep_documents(batch: Sequence[Item], store: ArtifactStore) -> tuple[list[Item], list[Item]]:
    """Keep what is too long for a column; return what can be written, and the decisions that have to wait for room."""
    ready: list[Item] = []
    waiting: list[Item] = []
    for item in batch:
        try:
            for document in _documents(item):
                if len(document) > LONGEST_INLINE_BYTES:
                    await asyncio.to_thread(store.put_bytes, document)
        except ArtifactStorageError as error:
            _LOG.warning("a document cannot be kept", run=str(_run_of(item)), error=error.message)
            if isinstance(item, Completed):
                ready.append(replace(item, attempt=unkept(item.attempt, error.message, error.next_step)))
            elif isinstance(item, Planned):
                # It begins anew, check by check: each then says what of it could not be kept.
                ready.append(replace(item, carried=None))
            else:
                waiting.append(item)
        else:
            ready.append(item)
    return ready, waiting


def _documents(item: Item) -> tuple[bytes, ...]:
    if isinstance(item, Decided):
        return item.decided.decision, item.decided.input
    if isinstance(item, Completed) and item.attempt.evidence is not None:
        return (encoded_evidence(item.attempt.evidence),)
    if isinstance(item, Planned) and item.carried is not None:
        return _documents_of_carried(item.carried)
    return ()


def _documents_of_carried(carried: Carried) -> tuple[bytes, ...]:
    evidence = tuple(ended.content for ended in carried.transition.ended if ended.content is not None)
    decided = carried.decided
    return evidence if decided is None else (*evidence, decided.decision, decided.input)


def _run_of(item: Item) -> object:
    return item.run_id if isinstance(item, Completed | Decided) else item.claim.run_id
