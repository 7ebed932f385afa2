"""Following the logs of running checks: what their programs print reaches the database while they run."""

import asyncio
import codecs
import os
import re
from dataclasses import dataclass, field

import structlog

from quilate.checks.context import LONGEST_LOG_BYTES, ContextSpec
from quilate.checks.variables import is_given
from quilate.kit.database.arrays import number_array, text_array, uuid_array
from quilate.kit.database.database import Connection, Database
from quilate.kit.database.faults import DATABASE_ERROR
from quilate.runs.durable.lanes import Job, JobKey
from quilate.runs.durable.sql import QUERIES

_LOG = structlog.get_logger("quilate.worker")
_LOOK_SECONDS = 0.5
_PIECE = 64 << 10
_HIDDEN = "[secret]"
SHORTEST_MASKED = 4
"""Shorter values of variables that a blueprint passes on are no secrets, and would mask half of the text."""


@dataclass(slots=True, kw_only=True)
class LogTail:
    """How far one log has been read.

    A line that has not ended is held back, and lines in which a secret begins that goes on in the next one: half of a
    secret would not be recognised.
    """

    path: str
    secrets: tuple[str, ...]
    offset: int = 0
    sequence: int = 0
    held: str = ""
    decoder: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    def read(self, *, last: bool) -> str:
        """Return the whole lines that are new; with ``last`` the rest as well."""
        try:
            with open(self.path, "rb") as log:  # noqa: PTH123 - a string path
                log.seek(self.offset)
                content = log.read(_PIECE)
        except FileNotFoundError:
            return ""
        self.offset += len(content)
        text = self.held + self.decoder.decode(content, final=last)
        cut = len(text) if last else self._outside_secrets(text, text.rfind("\n") + 1)
        if not cut and len(text) > _PIECE:
            cut = self._outside_secrets(text, len(text))
        shown, self.held = text[:cut], text[cut:]
        if self.secrets:
            shown = self._pattern.sub(_HIDDEN, shown)
        return shown.replace("\0", "\ufffd")

    @property
    def _pattern(self) -> re.Pattern[str]:
        # The longest first; compiled patterns are remembered by the library.
        return re.compile("|".join(map(re.escape, self.secrets)))

    def _outside_secrets(self, text: str, cut: int) -> int:
        """Return the last place up to ``cut`` that no secret lies across, nor one that the text may yet complete."""
        if not self.secrets:
            return cut
        for secret in self.secrets:
            start = max(len(text) - len(secret) + 1, 0)
            while (start := text.find(secret[0], start, cut)) >= 0:
                if secret.startswith(text[start:]):
                    cut = start
                    break
                start += 1
        across = (found.start() for found in self._pattern.finditer(text) if found.start() < cut < found.end())
        return next(across, cut)


def _hidden_values(spec: ContextSpec) -> tuple[str, ...]:
    """Return the values that a check's programs may have been given, the longest first.

    Only of variables that they may be given: what is hidden of others would tell who prints guesses that one is right.
    """
    secrets = {_value(name, spec) for name in (spec.secrets or {}).values()}
    named = spec.parameters.get("environment")
    names = [name for name in named if isinstance(name, str)] if isinstance(named, list | tuple) else []
    passed_on = {value for name in names if len(value := _value(name, spec)) >= SHORTEST_MASKED}
    return tuple(sorted({*secrets, *passed_on} - {""}, key=len, reverse=True))


def _value(name: str, spec: ContextSpec) -> str:
    return os.environ.get(name, "") if is_given(name, spec.variables) else ""


class LogTails:
    """The logs of every attempt that runs here."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._tails: dict[JobKey, LogTail] = {}

    def follow(self, job: Job) -> None:
        """Follow the log of an attempt from its beginning."""
        self._tails[job.key] = LogTail(path=job.spec.log, secrets=_hidden_values(job.spec))

    async def finish(self, job: Job) -> None:
        """Keep what is left of the log of an attempt that has ended."""
        tail = self._tails.pop(job.key, None)
        while tail is not None and tail.offset < LONGEST_LOG_BYTES:
            before = tail.offset
            await self._append({job.key: tail}, last=False)
            if tail.offset == before:
                await self._append({job.key: tail}, last=True)
                return

    async def run(self) -> None:
        """Look at the logs for ever."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            if self._tails:
                await self._append(dict(self._tails), last=False)

    async def _append(self, tails: dict[JobKey, LogTail], *, last: bool) -> None:
        texts = {key: tail.read(last=last) for key, tail in tails.items()}
        pieces = [(key, text) for key, text in texts.items() if text]
        if not pieces:
            return
        arguments = {
            "runs": uuid_array(key[0] for key, _ in pieces),
            "checks": text_array(key[1] for key, _ in pieces),
            "attempts": number_array(key[2] for key, _ in pieces),
            "sequences": number_array(tails[key].sequence for key, _ in pieces),
            "texts": text_array(text for _, text in pieces),
        }
        for key, _ in pieces:
            tails[key].sequence += 1

        async def work(connection: Connection) -> None:
            await connection.execute(QUERIES["append_logs"], arguments)

        try:
            await self._database.run(work, patience_seconds=5.0)
        except (DATABASE_ERROR, OSError) as error:
            # A log is a convenience: a run must not fail for it.
            _LOG.warning("a log could not be kept", error=str(error))
