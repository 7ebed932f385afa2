"""What a worker counts: runs, verdicts, attempts, the sizes of its transactions, writes that came too late."""

import time
from collections.abc import Sequence

from quilate.kit.metrics import Metrics
from quilate.runs.durable.items import Completed, Item
from quilate.runs.durable.steps import Written


class WorkerFigures:
    """Writes a worker's figures into the metrics of its process."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._observe_group = metrics.observe_group("steps")

    def written(self, batch: Sequence[Item], written: Written) -> None:
        """Count what one transaction wrote."""
        metrics = self._metrics
        self._observe_group(len(batch))
        ended = 0
        begun = {run.id for run in written.new}
        for transition, _ in written.transitions:
            for each in transition.ended:
                kind = str(transition.run.checks[each.check_id].type)
                metrics.check_seconds.labels(kind, each.result.value).observe(each.attempt.duration_seconds)
            # What ended before a run's plan was written came with the plan.
            ended += 0 if transition.run.id in begun else len(transition.ended)
        completed = sum(isinstance(item, Completed) for item in batch)
        late = completed - ended - len(written.reload)
        if late > 0:
            metrics.lost_leases.inc(late)
        now = time.time()
        for run_id, status, verdict in written.ended:
            name = verdict.value if verdict else status.value
            metrics.verdicts.labels(name).inc()
            # A run's id holds the millisecond of its submission.
            metrics.run_seconds.labels(name).observe(max(now - (run_id.int >> 80) / 1000, 0.0))
