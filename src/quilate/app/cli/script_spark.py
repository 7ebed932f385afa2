"""A script run on Spark from the command line: validated here, run there."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from quilate.app.cli.script_local import LocalRequest, program_of, validated
from quilate.sandbox.model import Level, Program
from quilate.scripts.model import FileFormat

if TYPE_CHECKING:
    from quilate.scripts.spark.model import SparkOutcome


def run_with_spark(request: LocalRequest, url: str, data: Path | str, output: Path | str | None) -> "SparkOutcome":
    """Validate the script and run it on the Spark at a URL.

    Args:
        request: What is to be run.
        url: Of a master or of Spark Connect.
        data: A path here, or a URL that Spark reads.
        output: As ``data``; ``None`` for bytes.

    Raises:
        ConfigurationError: The script cannot be read or is refused, or there is no Spark.
        SandboxUnavailableError: There is no sandbox of that level here.
    """
    from quilate.scripts.spark import SparkInput, SparkSettings, run_on_spark  # noqa: PLC0415 - the extra `spark`
    from quilate.scripts.spark.sessions import check_url  # noqa: PLC0415 - as above

    check_url(url)
    program = program_of(request)
    if not request.no_validation:
        asyncio.run(_validate(request, program))
    return run_on_spark(
        url,
        program,
        request.shape,
        SparkInput(path=data, format=FileFormat(request.data_format)),
        output,
        target_format=FileFormat(request.output_format),
        limits=request.limits,
        settings=SparkSettings(min_level=Level(request.min_level)),
    )


async def _validate(request: LocalRequest, program: Program) -> None:
    from quilate.sandbox.pool import PoolSettings, SandboxPool  # noqa: PLC0415 - needs the extra `sandbox`

    settings = PoolSettings(
        workers=1, min_level=Level(request.min_level), heap_bytes=request.limits.heap_bytes, spares=0
    )
    async with SandboxPool(settings) as pool:
        await validated(pool, request, program, request.shape)
