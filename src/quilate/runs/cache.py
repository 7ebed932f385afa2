"""The content-addressed result cache."""

import os
from pathlib import Path

import msgspec

from quilate.blueprints.model import PlannedCheck
from quilate.domain.ids import Digest
from quilate.domain.verdict import Completion
from quilate.evidence.model import Evidence
from quilate.kit.canonical import sha256_of
from quilate.runs.state import Attempt
from quilate.runs.store import RunDirectory, write_atomically


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """``digest`` is that of ``evidence`` as it was written: a damaged entry is told from a whole one."""

    created_at: float
    key: str
    digest: str
    evidence: msgspec.Raw


class ResultCache:
    """Evidence by fingerprint. An entry that cannot be read, or whose artifacts are gone, is no entry."""

    def __init__(self, directory: RunDirectory) -> None:
        self._directory = directory

    def _path(self, key: Digest) -> Path:
        return self._directory.results / f"{key.removeprefix('sha256:')}.json"

    def get(self, key: Digest, check: PlannedCheck, *, now: float) -> Attempt | None:
        """Return the cached attempt with its age, or ``None``."""
        path = self._path(key)
        try:
            if not path.is_file():
                return None
            entry = msgspec.json.decode(path.read_bytes(), type=_Entry)
            if entry.digest != sha256_of(bytes(entry.evidence)):
                return None
            evidence = msgspec.json.decode(entry.evidence, type=Evidence)
        except (OSError, ValueError):
            # Damaged text gives a UnicodeDecodeError, which is a ValueError as msgspec's own errors are.
            return None
        age = max(now - entry.created_at, 0.0)
        if entry.key != key or (check.fresh_for_seconds is not None and age > check.fresh_for_seconds):
            return None
        artifacts = self._directory.artifacts
        if not all((artifacts / kept.digest.removeprefix("sha256:")).exists() for kept in evidence.artifacts):
            return None
        os.utime(path)
        return Attempt(completion=Completion.COMPLETED, evidence=evidence, cached_age_seconds=age)

    def put(self, key: Digest, attempts: tuple[Attempt, ...], *, now: float) -> None:
        """Keep what one clean attempt found; what was flaky, failed to run or came from the cache is not kept."""
        attempt = attempts[-1]
        evidence = attempt.evidence
        if len(attempts) != 1 or evidence is None or attempt.cached_age_seconds is not None:
            return
        if attempt.completion is not Completion.COMPLETED or evidence.test_attempts:
            return
        content = msgspec.json.encode(evidence)
        entry = _Entry(created_at=now, key=key, digest=sha256_of(content), evidence=msgspec.Raw(content))
        write_atomically(self._path(key), msgspec.json.encode(entry))
