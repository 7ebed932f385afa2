"""What ``quilate plan`` prints about runs that are over."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from quilate.domain.verdict import Verdict
from quilate.kit.words import counted, form
from quilate.runs.what_if import ReplayedRun

_WORDS = {Verdict.PASS: "accepted", Verdict.FAIL: "rejected", Verdict.UNKNOWN: "undecided"}


def replay_lines(replayed: Sequence[ReplayedRun]) -> Iterator[str]:
    """Yield how the last runs would be decided now; nothing where there are none."""
    if not replayed:
        return
    changed: dict[tuple[Verdict, Verdict], list[int]] = defaultdict(list)
    for run in replayed:
        if run.before is not run.after:
            changed[run.before, run.after].append(run.run)
    number = sum(map(len, changed.values()))
    verdicts = f"{counted(number, 'verdict')} {form(number, 'changes', 'change')}"
    moves = "; ".join(
        f"{', '.join(map(str, runs))} {_WORDS[before]} → {_WORDS[after]}" for (before, after), runs in changed.items()
    )
    yield f"Replayed on the last {counted(len(replayed), 'run')}: {verdicts}" + (f" ({moves})" if moves else "")
    unmeasured = sorted({check for run in replayed for check in run.unmeasured})
    if unmeasured:
        yield f"  those runs did not measure {', '.join(unmeasured)}"
