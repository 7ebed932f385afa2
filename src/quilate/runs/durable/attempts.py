"""Running the attempts of checks on this machine: their specification, their scratch directory, their artifacts."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from quilate.blueprints.model import PlannedCheck
from quilate.checks.api import Isolation
from quilate.checks.context import ContextSpec
from quilate.checks.execution import encode_spec
from quilate.checks.variables import patterns_for
from quilate.domain.verdict import Completion
from quilate.evidence.artifacts import ArtifactStore
from quilate.kit.canonical import to_document
from quilate.kit.tracing import (
    PIPELINE_NAME,
    PIPELINE_RUN_ID,
    PIPELINE_TASK_NAME,
    PIPELINE_TASK_RUN_ID,
    PIPELINE_TASK_RUN_RESULT,
    PIPELINE_TASK_TYPE,
    OpenSpan,
    begin_span,
    is_tracing,
)
from quilate.runs.durable.keeping import keep_artifacts
from quilate.runs.durable.lanes import Job, JobKey, ProcessLane, WarmLane
from quilate.runs.durable.live import LiveRun
from quilate.runs.durable.log_tails import LogTails
from quilate.runs.state import Attempt

_KEPT_SPECIFICATIONS = 4096

Ended = Callable[[Job, Attempt], None]


def _nobody_listens(job: Job, attempt: Attempt) -> None:
    """Stand in for the worker until it has said what it wants to be told."""
    del job, attempt


def _span(run: LiveRun, check: PlannedCheck, number: int) -> OpenSpan | None:
    if not is_tracing():
        return None
    attributes = {
        PIPELINE_NAME: run.prepared.plan.blueprint.document.id,
        PIPELINE_RUN_ID: str(run.id),
        PIPELINE_TASK_NAME: str(check.id),
        PIPELINE_TASK_RUN_ID: f"{run.id}/{check.id}/{number}",
        PIPELINE_TASK_TYPE: str(check.type),
    }
    return begin_span("check.run", parent=run.traceparent, **attributes)


def _end_span(job: Job, attempt: Attempt) -> None:
    if job.span is not None:
        job.span.end(**{PIPELINE_TASK_RUN_RESULT: attempt.completion.value})


class AttemptRunner:
    """Starts attempts in the right lane and keeps the artifacts that they leave."""

    def __init__(  # noqa: PLR0913 - one argument for each thing that the outside provides
        self,
        *,
        state: Path,
        artifacts: ArtifactStore,
        logs: LogTails,
        capacity: int,
        plugins: tuple[str, ...],
        variables: tuple[str, ...] | None = (),
    ) -> None:
        self.logs = logs
        self._variables = variables
        self._scratch = state / "scratch"
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._scratch.mkdir(parents=True)
        self._shared = str(self._scratch)
        self._artifacts = artifacts
        self._processes = ProcessLane(capacity=capacity, preload=plugins, ended=self._process_ended)
        self._warm = WarmLane(preload=plugins, ended=self._warm_ended)
        self._specifications: dict[tuple[str, str, str, str], tuple[ContextSpec, bytes]] = {}
        self._reserved = 0
        self._keeping: dict[asyncio.Task[None], Job] = {}
        self.ended: Ended = _nobody_listens

    @property
    def free(self) -> int:
        """How many more checks in processes of their own may be started now."""
        return max(self._processes.free - self._reserved, 0)

    @property
    def jobs(self) -> set[JobKey]:
        """Every attempt that is waiting or running here, or whose artifacts are being kept."""
        return self._processes.jobs | self._warm.jobs | {job.key for job in self._keeping.values()}

    def begun_effects(self) -> list[JobKey]:
        """Return the attempts under way that may have taken effect outside: they must never be begun again."""
        begun = (*self._processes.begun, *self._warm.begun, *self._keeping.values())
        return [job.key for job in begun if job.check.effects]

    def reserve(self, places: int) -> None:
        """Keep places for claimed checks whose runs are still being loaded; negative numbers give them back."""
        self._reserved += places

    def prepare(self) -> None:
        """Start what the first attempts would otherwise wait for."""
        self._processes.prepare()

    def start(self, run: LiveRun, check: PlannedCheck, number: int) -> None:
        """Start an attempt; its end is told to ``ended``."""
        key: JobKey = (run.id, check.id, number)
        if check.isolation is Isolation.THREAD:
            # Trivial checks leave nothing behind: they share one directory, and runs of one plan one specification.
            spec, payload = self._shared_specification(run, check)
            self._warm.start(Job(key=key, check=check, spec=spec, payload=payload, span=_span(run, check, number)))
            return
        scratch = f"{self._shared}/{run.id}-{check.id}-{number}"
        try:
            os.mkdir(scratch)  # noqa: PTH102 - a string path, on the hot path
        except OSError as error:
            self._not_started(run, check, number, error)
            return
        span = _span(run, check, number)
        spec = self._spec(run, check, scratch, span.traceparent if span else run.traceparent)
        job = Job(key=key, check=check, spec=spec, payload=encode_spec(spec), span=span)
        self.logs.follow(job)
        self._processes.start(job)

    def _not_started(self, run: LiveRun, check: PlannedCheck, number: int, error: OSError) -> None:
        spec = self._spec(run, check, "", "")
        attempt = Attempt(
            completion=Completion.ERROR,
            reason=f"the worker cannot make the check's directory: {error.strerror}",
            next_step="see the disk of the worker's state directory, then run again",
        )
        job = Job(key=(run.id, check.id, number), check=check, spec=spec, payload=b"")
        # As every other end: never before the caller has noted the start.
        asyncio.get_running_loop().call_soon(self.ended, job, attempt)

    def _shared_specification(self, run: LiveRun, check: PlannedCheck) -> tuple[ContextSpec, bytes]:
        key = (run.prepared.project, run.prepared.plan_digest, run.prepared.tree.root, str(check.id))
        found = self._specifications.get(key)
        if found is None:
            if len(self._specifications) >= _KEPT_SPECIFICATIONS:
                self._specifications.clear()
            spec = self._spec(run, check, self._shared, "")
            found = self._specifications[key] = (spec, encode_spec(spec))
        return found

    def _spec(self, run: LiveRun, check: PlannedCheck, scratch: str, traceparent: str) -> ContextSpec:
        prepared = run.prepared
        project = prepared.plan.project
        return ContextSpec(
            check_id=check.id,
            check_type=check.type,
            parameters=to_document(check.parameters),
            binding=to_document(check.binding),
            severity_threshold=check.severity_threshold,
            workspace_root=prepared.tree.root,
            workspace_paths=prepared.tree.paths,
            scratch=scratch,
            artifacts=f"{scratch}/artifacts",
            timeout_seconds=check.timeout_seconds,
            interpreter=project.interpreter,
            secrets=None if prepared.without_secrets else project.secrets,
            secrets_withheld=prepared.without_secrets,
            variables=patterns_for(prepared.project, self._variables),
            traceparent=traceparent,
            log="" if scratch == self._shared else f"{scratch}/log",
        )

    def _warm_ended(self, job: Job, attempt: Attempt) -> None:
        _end_span(job, attempt)
        self.ended(job, attempt)

    def _process_ended(self, job: Job, attempt: Attempt) -> None:
        task = asyncio.get_running_loop().create_task(self._keep(job, attempt))
        self._keeping[task] = job
        task.add_done_callback(self._keeping.pop)

    async def _keep(self, job: Job, attempt: Attempt) -> None:
        """Move the artifacts of an attempt to the store, then tell its end: evidence never names what is not kept."""
        scratch = Path(job.spec.scratch)
        attempt = await keep_artifacts(attempt, Path(job.spec.artifacts), self._artifacts)
        _end_span(job, attempt)
        self.ended(job, attempt)
        await self.logs.finish(job)
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)

    def cancel(self, keys: set[JobKey]) -> None:
        """End attempts with everything that they started."""
        self._processes.cancel(keys)

    def end_overdue(self) -> None:
        """End what hangs in the warm process."""
        self._warm.end_overdue()

    def close(self) -> None:
        """End everything that is running."""
        self._processes.close()
        self._warm.close()
        shutil.rmtree(self._scratch, ignore_errors=True)
