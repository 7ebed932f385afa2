"""A script run on this machine: validated, in the sandbox, by the batch runner of the service."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from quilate.domain.errors import ConfigurationError
from quilate.sandbox.model import Engine, FailureClass, Level, Limits, Program
from quilate.scripts.batch.model import BatchInput, BatchOutcome
from quilate.scripts.model import (
    DETERMINISTIC_NOW_MILLISECONDS,
    DETERMINISTIC_SEED,
    FileFormat,
    Mode,
    Shape,
)

if TYPE_CHECKING:
    from quilate.sandbox.pool import SandboxPool


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalRequest:
    """What is to be run, as the options say it.

    Attributes:
        file: The script.
        data: The data.
        data_format: How it is written.
        output: Where the result goes; ``None`` to print it.
        output_format: How it is written.
        mode: ``whole``, ``chunk`` or ``group``.
        size: Records of a chunk.
        key: Fields of a group, with commas between.
        combine: ``combine(partials)`` is called at the end.
        engine: What runs it.
        deterministic: Seeded random numbers, a clock that stands still.
        workers: Sandbox processes.
        wall_seconds: Of each call.
        cpu_seconds: Of each call.
        heap_mib: Of each call.
        no_validation: The static validation is left out.
        min_level: How a sandbox process has to be shut in.
    """

    file: Path
    data: Path
    data_format: str
    output: Path | None
    output_format: str
    mode: str
    size: int
    key: str
    combine: bool
    engine: str
    deterministic: bool
    workers: int
    wall_seconds: float
    cpu_seconds: float
    heap_mib: int
    no_validation: bool
    min_level: str

    @property
    def limits(self) -> Limits:
        """Limits of each call."""
        return Limits(wall_seconds=self.wall_seconds, cpu_seconds=self.cpu_seconds, heap_bytes=self.heap_mib << 20)

    @property
    def shape(self) -> Shape:
        """What each call gets."""
        key = tuple(part.strip() for part in self.key.split(",") if part.strip())
        if (self.mode == Mode.GROUP) != bool(key):
            raise ConfigurationError(
                "--key and --mode group belong together", next_step="give both, or neither of them"
            )
        return Shape(mode=Mode(self.mode), size=self.size, key=key, combine=self.combine)


async def run_here(request: LocalRequest) -> BatchOutcome:
    """Validate the script and run it.

    Raises:
        ConfigurationError: The script cannot be read, or the validation refuses it.
        SandboxUnavailableError: There is no sandbox of that level here.
    """
    from quilate.sandbox.pool import PoolSettings, SandboxPool  # noqa: PLC0415 - needs the extra `sandbox`
    from quilate.scripts.batch.running import run_batch  # noqa: PLC0415 - as above

    program, shape, limits = program_of(request), request.shape, request.limits
    # The validation runs in the default engine, whatever the script's is.
    settings = PoolSettings(
        workers=request.workers,
        engines=frozenset({Engine.DEFAULT, program.engine}),
        min_level=Level(request.min_level),
        heap_bytes=limits.heap_bytes,
    )
    async with SandboxPool(settings) as pool:
        if not request.no_validation:
            await validated(pool, request, program, shape)
        return await run_batch(
            pool,
            program,
            shape,
            BatchInput(path=request.data, format=FileFormat(request.data_format)),
            request.output,
            target_format=FileFormat(request.output_format),
            limits=limits,
            workers=request.workers,
        )


def program_of(request: LocalRequest) -> Program:
    """The script with its engine.

    Raises:
        ConfigurationError: It cannot be read.
    """
    try:
        source = request.file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{request.file} cannot be read as UTF-8: {error}", next_step="name another file"
        ) from error
    return Program(
        source=source,
        engine=Engine(request.engine),
        seed=DETERMINISTIC_SEED if request.deterministic else None,
        now_milliseconds=DETERMINISTIC_NOW_MILLISECONDS if request.deterministic else None,
    )


async def validated(pool: "SandboxPool", request: LocalRequest, program: Program, shape: Shape) -> None:
    """Validate the script in a pool that has the default engine.

    Raises:
        ConfigurationError: The validation refuses it.
    """
    from quilate.sandbox.validation.validate import validate  # noqa: PLC0415 - needs the extra `sandbox`

    found = await validate(pool, program.source, limits=request.limits, shape_needs_combine=shape.combine)
    errors = [each for each in found if each.severity == "error"]
    if errors:
        places = [
            f"{FailureClass.REJECTED.value}: {request.file}:{each.line}:{each.column}: {each.rule} {each.message}"
            for each in errors
        ]
        raise ConfigurationError("\n".join(places), next_step=errors[0].fix)
