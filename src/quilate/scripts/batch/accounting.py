"""What a batch has done so far: counts, times, console, failures."""

from dataclasses import dataclass
from pathlib import Path

from quilate.sandbox.model import Failure, Limits, Outcome
from quilate.scripts.batch.calling import PartResult
from quilate.scripts.batch.model import BatchOutcome, PartFailure, Progress, ProgressCallback
from quilate.scripts.model import FileFormat


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The result as it lies there: where, its digest, its size in bytes."""

    output: Path | bytes | None = None
    digest: str = ""
    size: int = 0


class Account:
    """Adds up the outcomes of calls.

    Args:
        limits: Bounds the console that is kept.
        progress: Told after each part.
    """

    def __init__(self, limits: Limits, progress: ProgressCallback | None) -> None:
        self.parts = 0
        self.reused = 0
        self.records_in = 0
        self.records_out = 0
        self.failed: list[PartFailure] = []
        self._limits = limits
        self._progress = progress
        self._console: list[str] = []
        self._console_bytes = 0
        self._truncated = False
        self._cpu = 0.0
        self._peak = 0

    def note(self, outcome: Outcome) -> None:
        """Add one call."""
        self._cpu += outcome.cpu_milliseconds
        self._peak = max(self._peak, outcome.peak_memory_bytes)
        self._truncated = self._truncated or outcome.console_truncated
        for line in outcome.console:
            size = len(line.encode("utf-8", "replace")) + 1
            if self._console_bytes + size > self._limits.console_bytes:
                self._truncated = True
                return
            self._console.append(line)
            self._console_bytes += size

    def part_done(self, result: PartResult) -> None:
        """Add a part, or the groups of one call."""
        for outcome in result.outcomes:
            self.note(outcome)
        count = max(1, len(result.part.groups))
        self.parts += count
        self.reused += result.reused
        self.records_in += result.part.records
        self.failed.extend(result.failures)
        if self._progress is not None:
            self._progress(
                Progress(
                    parts=self.parts,
                    failed=len(self.failed),
                    records_in=self.records_in,
                    records_out=self.records_out,
                )
            )

    def hopeless(self, most: int) -> Failure | None:
        """The first failure, where so many parts failed and none succeeded."""
        if len(self.failed) >= most and len(self.failed) == self.parts:
            return self.failed[0].failure
        return None

    def outcome(self, end: Failure | Written, output_format: FileFormat, wall_seconds: float) -> BatchOutcome:
        """What is said in the end."""
        written = end if isinstance(end, Written) else Written()
        return BatchOutcome(
            failure=end if isinstance(end, Failure) else None,
            failed_parts=tuple(self.failed),
            parts=self.parts,
            reused=self.reused,
            records_in=self.records_in,
            records_out=self.records_out if isinstance(end, Written) else 0,
            output=written.output,
            output_format=output_format,
            output_bytes=written.size,
            digest=written.digest,
            console=tuple(self._console),
            console_truncated=self._truncated,
            wall_milliseconds=wall_seconds * 1000,
            cpu_milliseconds=self._cpu,
            peak_memory_bytes=self._peak,
        )


def first_failure(account: Account) -> Failure | None:
    """The failure of a batch of which no part succeeded."""
    return account.hopeless(1)
