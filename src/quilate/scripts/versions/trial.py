"""Running a script on sample data as an execution would, with nothing stored."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import msgspec

from quilate.sandbox.model import Failure, FailureClass, Limits, Outcome, Program
from quilate.scripts.model import FileFormat, Shape
from quilate.scripts.payloads.admission import Admission
from quilate.scripts.payloads.contents import PayloadStore
from quilate.scripts.payloads.model import Admitted, StoredPayload
from quilate.scripts.payloads.sensitive import masked_parts
from quilate.scripts.versions.model import Ran, Remark, Runner, reduced


@dataclass(frozen=True, slots=True, kw_only=True)
class DataViolation:
    """Where data breaks a schema: a JSON pointer into the data, and what is wrong; never the value."""

    path: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of a test.

    Attributes:
        outcome: Of the run; ``None`` where the data broke the input schema, so that nothing ran.
        parts: What became of chunks or groups.
        remarks: What the validation says that is no error.
        input_violations: Where the data breaks the input schema.
        output_violations: Where the result breaks the output schema.
        reduced: What needs a review was left out: limits above the defaults, the engine ``fast``, warm isolates.
    """

    outcome: Outcome | None
    parts: Mapping[str, Any] | None = None
    remarks: tuple[Remark, ...] = ()
    input_violations: tuple[DataViolation, ...] = ()
    output_violations: tuple[DataViolation, ...] = ()
    reduced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """What is tested.

    Attributes:
        project_id: Whose it is: its keys make the tokens.
        program: The script.
        limits: Of each call.
        shape: What each call gets.
        reviewed: Somebody reviewed it; else what needs a review is left out.
        schemas: Of input and output, canonical JSON.
        remarks: What the validation says.
    """

    project_id: UUID
    program: Program
    limits: Limits
    shape: Shape
    reviewed: bool
    schemas: tuple[bytes | None, bytes | None] = (None, None)
    remarks: tuple[Remark, ...] = ()


class Trials:
    """Lets sample data in as executions do, runs it, and shows what came of it as executions would.

    Args:
        runner: Runs scripts; may refuse for now (Problem 429 or 503).
        store: Holds the data meanwhile. All of it has to fit in memory (``inline_bytes``): a test stores nothing.
        admission: Checks by schemas, makes tokens and masks; over the same store.
    """

    def __init__(self, runner: Runner, store: PayloadStore, admission: Admission) -> None:
        self._runner = runner
        self._store = store
        self._admission = admission

    async def try_out(self, request: TrialRequest, data: bytes) -> Trial:
        """Run a script once, or once for each chunk or group.

        Args:
            request: What.
            data: JSON.

        Raises:
            Problem: 413, data or result are too long to be checked by their schemas; 429 and 503 from the runner.
            SecretUnreadableError: A schema marks sensitive fields and the project's keys cannot be opened.
        """
        program, limits = (
            (request.program, request.limits) if request.reviewed else reduced(request.program, request.limits)
        )
        less = (program, limits) != (request.program, request.limits)
        input_schema, output_schema = request.schemas
        sent = await self._store.keep_bytes(data, FileFormat.JSON)
        admitted = await self._admission.admit(request.project_id, input_schema, sent)
        if admitted.violations:
            broken = _places(admitted)
            return Trial(outcome=None, remarks=request.remarks, input_violations=broken, reduced=less)
        seen = await self._store.read(admitted.payload, request.project_id)
        ran = await self._runner(program, limits, seen, request.shape)
        ran = await self._shown(replace(ran, outcome=_trusted(ran.outcome)), request, admitted.payload)
        wrong: tuple[DataViolation, ...] = ()
        if ran.outcome.output is not None:
            result = await self._store.keep_bytes(ran.outcome.output, FileFormat.JSON)
            wrong = _places(await self._admission.check_output(request.project_id, output_schema, result))
        return Trial(
            outcome=ran.outcome, parts=ran.parts, remarks=request.remarks, output_violations=wrong, reduced=less
        )

    async def _shown(self, ran: Ran, request: TrialRequest, given: StoredPayload) -> Ran:
        """Return it with the sensitive values of its input taken out of console and messages."""
        masker = await self._admission.masker(request.project_id, request.schemas[0], given)
        if masker is None:
            return ran
        outcome, parts = ran.outcome, ran.parts
        failure = outcome.failure
        if failure is not None:
            failure = replace(failure, message=masker.text(failure.message))
        if parts is not None:
            parts = masked_parts(parts, masker)
        return Ran(outcome=replace(outcome, failure=failure, console=masker.lines(outcome.console)), parts=parts)


def _places(looked_at: Admitted) -> tuple[DataViolation, ...]:
    return tuple(DataViolation(path=each.path, message=each.message) for each in looked_at.violations)


def _trusted(outcome: Outcome) -> Outcome:
    """Return an outcome whose output is JSON: it comes from the sandbox and is taken for nothing before."""
    if outcome.output is None:
        return outcome
    try:
        msgspec.json.decode(outcome.output)
    except (msgspec.DecodeError, RecursionError):
        failure = Failure(kind=FailureClass.RESULT, message="the result is no JSON")
        return replace(outcome, output=None, failure=failure)
    return outcome
