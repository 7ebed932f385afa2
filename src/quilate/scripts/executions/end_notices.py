"""Ends of executions as their notices hold them: whoever waits need not read what is small again.

Only what the first attempt of an execution completed, and never what is sealed: a notice may pass through a file of
the server. Of any other end the notice holds the id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

import msgspec

from quilate.kit.database.notices import LARGEST_PAYLOAD, Notice
from quilate.scripts.executions.model import Ended, Execution, Status
from quilate.scripts.executions.wakeups import DONE_CHANNEL, notice_of, payloads
from quilate.scripts.model import FileFormat
from quilate.scripts.payloads.model import StoredPayload

_LONGEST_OUTPUT = 4 << 10
"""Bytes of an output that a notice holds: it becomes a third longer in Base64, and has company."""


class End(msgspec.Struct, array_like=True, frozen=True, kw_only=True):
    """How the first attempt of an execution completed it, as its row has it."""

    id: UUID
    started_at: datetime
    ended_at: datetime
    output: bytes
    output_format: FileFormat
    output_size: int
    output_digest: str
    wall_us: int
    cpu_us: int
    peak_memory: int
    fuel: int | None
    engine: str
    level: str

    def of(self, pending: Execution) -> Execution:
        """Return an execution that has ended like this, from what was known of it when it was taken in."""
        return replace(
            pending,
            status=Status.COMPLETED,
            input=replace(pending.input, inline=None),
            output=StoredPayload(
                digest=self.output_digest, size=self.output_size, format=self.output_format, inline=self.output
            ),
            # In the server's own time zone, as a reader has it.
            started_at=self.started_at.astimezone(self.ended_at.tzinfo),
            ended_at=self.ended_at,
            wall_us=self.wall_us,
            cpu_us=self.cpu_us,
            peak_memory=self.peak_memory,
            fuel=self.fuel,
            engine=self.engine,
            level=self.level,
            attempts=1,
        )


_DECODER = msgspec.json.Decoder(list[End])
_ENCODER = msgspec.json.Encoder()


def end_notice(ends: Sequence[Ended], ended_at: Mapping[UUID, datetime]) -> Notice | None:
    """Return what those who wait are told of ends that were written; ``None`` where nobody waits.

    Args:
        ends: What was written.
        ended_at: When those ended for which somebody waits.
    """
    awaited = [each for each in ends if each.claim.id in ended_at]
    told = [_encoded(each, ended_at[each.claim.id]) for each in awaited]
    named = [each.claim.id for each, end in zip(awaited, told, strict=True) if end is None]
    texts = [*payloads(notice_of(named)), *_packed([each for each in told if each is not None])]
    return Notice(channel=DONE_CHANNEL, payloads=texts) if texts else None


def read_ends(notice: str) -> Sequence[End]:
    """Return the ends that a notice holds; none where it names executions, or is not ours."""
    if not notice.startswith("["):
        return ()
    try:
        return _DECODER.decode(notice)
    except msgspec.MsgspecError:
        return ()


def _encoded(ended: Ended, at: datetime) -> bytes | None:
    claim, result, output = ended.claim, ended.result, ended.result.output
    if result.status is not Status.COMPLETED or claim.fence != 1 or claim.attempt != 1 or claim.options.target:
        return None
    if output is None or output.inline is None or output.reference is not None or result.parts:
        return None
    if claim.input.sealed or output.sealed or len(output.inline) > _LONGEST_OUTPUT:
        return None
    return _ENCODER.encode(
        End(
            id=claim.id,
            started_at=result.started_at,
            ended_at=at,
            output=output.inline,
            output_format=output.format,
            output_size=output.size,
            output_digest=output.digest,
            wall_us=result.wall_us,
            cpu_us=result.cpu_us,
            peak_memory=result.peak_memory,
            fuel=result.fuel,
            engine=result.engine,
            level=result.level,
        )
    )


def _packed(ends: Sequence[bytes]) -> list[str]:
    """Return JSON arrays of the ends, as few as they fit into."""
    packed: list[list[bytes]] = []
    room = 0
    for each in ends:
        room -= len(each) + 1
        if room < 0:
            packed.append([])
            room = LARGEST_PAYLOAD - len("[]") - len(each)
        packed[-1].append(each)
    return [f"[{b','.join(each).decode()}]" for each in packed]
