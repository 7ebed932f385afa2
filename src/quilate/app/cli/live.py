"""Progress of a run: a block of lines per stage as it ends, and on a terminal a line of what is running."""

import time
from collections import defaultdict
from typing import Any, Self

from quilate.app.cli.run_output import check_line, stage_lines
from quilate.app.cli.terminal import Terminal, duration_text, harmless
from quilate.blueprints.model import Plan, PlannedCheck
from quilate.domain.ids import CheckId, StageName
from quilate.policy.model import CheckDecision
from quilate.runs.state import CheckRun


class ProgressPrinter:
    """Prints each stage's lines, in the order of the plan, as soon as all its checks have ended."""

    def __init__(self, terminal: Terminal, plan: Plan) -> None:
        self._terminal = terminal
        self._stages: dict[StageName, list[PlannedCheck]] = defaultdict(list)
        for check in plan.checks:
            self._stages[check.stage].append(check)
        self._ended: dict[CheckId, tuple[CheckRun, CheckDecision]] = {}
        self._running: dict[CheckId, float] = {}
        self._printed: set[StageName] = set()
        self._stage_width = max((len(name) for name in self._stages), default=0)
        self._check_width = max((len(check.id) for check in plan.checks), default=0)
        self._status: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        if self._status is not None:
            self._status.stop()

    def __call__(self, check: PlannedCheck, run: CheckRun, decided: CheckDecision | None) -> None:
        """Take note of a check that started or ended."""
        self._start_status()
        if decided is None:
            self._running[check.id] = time.monotonic()
        else:
            self._running.pop(check.id, None)
            self._ended[check.id] = (run, decided)
            self._print_complete_stages()
        self._show_running()

    def _start_status(self) -> None:
        """Show the line of what is running from the first check on.

        Not earlier: rich refreshes it from a thread, and the first check starts the fork server, which is forked from
        this process only while it has no threads.
        """
        if self._terminal.live and self._status is None:
            from rich.console import Console  # noqa: PLC0415 - rich is for terminals only

            self._status = Console(highlight=False, soft_wrap=True).status("starting")
            self._status.start()

    def _print_complete_stages(self) -> None:
        for name, checks in self._stages.items():
            if name in self._printed:
                continue
            if not all(check.id in self._ended for check in checks):
                return
            self._printed.add(name)
            rows = [check_line(self._terminal, check, *self._ended[check.id], self._check_width) for check in checks]
            for line in stage_lines(name, rows, self._stage_width):
                self._write(line)

    def _write(self, line: str) -> None:
        if self._status is None:
            self._terminal.line(line)
            return
        from rich.text import Text  # noqa: PLC0415 - rich is for terminals only

        self._status.console.print(Text.from_ansi(harmless(line, styles=True)))

    def _show_running(self) -> None:
        if self._status is None:
            return
        now = time.monotonic()
        names = [f"{name} {duration_text(now - begin)}" for name, begin in self._running.items()]
        self._status.update("running " + ", ".join(names) if names else "deciding")
