"""``quilate script run``: run a script here under the limits of the service, or at a service."""

import asyncio
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from quilate.app.cli.script_logs import show_end
from quilate.app.cli.script_server import at_server, client_of
from quilate.app.cli.terminal import current_terminal, harmless
from quilate.domain.errors import ConfigurationError, ExitCode

if TYPE_CHECKING:
    from quilate.app.cli.script_local import LocalRequest
    from quilate.sandbox.model import Failure
    from quilate.scripts.batch.model import BatchOutcome
    from quilate.scripts.spark.model import SparkOutcome

MEDIA_TYPES = {
    ".json": "application/json",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".arrow": "application/vnd.apache.arrow.stream",
    ".arrows": "application/vnd.apache.arrow.stream",
    ".csv": "text/csv",
}
FORMATS = {
    ".json": "json",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
    ".arrow": "arrow",
    ".arrows": "arrow",
    ".csv": "csv",
}
"""How a file is written, by the end of its name."""

_PIECE = 1 << 20
_WAIT_SECONDS = 20.0


class DataPlace(click.Path):
    """A path here, or a URL, which stays a text."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Leave a URL as it is."""
        return value if isinstance(value, str) and "://" in value else super().convert(value, param, ctx)


@click.command("run")
@at_server(required=False)
@click.argument("script")
@click.option(
    "--data",
    required=True,
    type=DataPlace(exists=True, path_type=Path),
    help="The data; the end of its name says how it is written: JSON, NDJSON, Parquet, Arrow or CSV. A directory or a "
    "URL such as s3a://bucket/folder.parquet only with --spark.",
)
@click.option("--output", type=DataPlace(dir_okay=False, path_type=Path), help="Where the result goes; printed else.")
@click.option("--version", default=None, metavar="VERSION", help="At a service: which version; the active one else.")
@click.option("--mode", type=click.Choice(["whole", "chunk", "group"]), default="whole", show_default=True)
@click.option(
    "--size", type=click.IntRange(1, 1_000_000), default=10_000, show_default=True, help="Records of a chunk."
)
@click.option("--key", default="", metavar="FIELD,FIELD", help="Fields that make a group.")
@click.option("--combine", is_flag=True, help="Call combine(partials) at the end.")
@click.option("--engine", type=click.Choice(["default", "fast", "strict"]), default="default", show_default=True)
@click.option("--deterministic", is_flag=True, help="Seeded Math.random, a clock that stands still.")
@click.option("--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Sandbox processes.")
@click.option("--wall-seconds", type=click.FloatRange(0.01, 3600), default=5.0, show_default=True, help="Of each call.")
@click.option("--cpu-seconds", type=click.FloatRange(0.01, 3600), default=2.0, show_default=True, help="Of each call.")
@click.option("--heap-mib", type=click.IntRange(8, 4096), default=64, show_default=True, help="Of each call.")
@click.option("--no-validation", is_flag=True, help="Let the sandbox alone refuse what a script must not do.")
@click.option(
    "--min-level",
    type=click.Choice(["process", "locked", "jailed"]),
    default="locked",
    show_default=True,
    help="How a sandbox process has to be shut in.",
)
@click.option(
    "--spark",
    default=None,
    metavar="URL",
    help="Run on Spark: local[2], spark://host:port, yarn, or Spark Connect as sc://host:port.",
)
@click.option(
    "--output-dataset",
    default=None,
    metavar="NAME",
    help="At a service: the result becomes a version of this dataset of the project.",
)
@click.option("--output-gate", is_flag=True, help="A run judges this version.")
@click.option(
    "--output-blueprint", default=None, metavar="NAME", help="By which that run judges; the project's own without it."
)
@click.option(
    "--output-url",
    default=None,
    metavar="URL",
    help="At a service: s3, gs or az address below which the result is written as well.",
)
def command(  # noqa: PLR0913 - one argument per option
    *,
    server: str | None,
    project: str,
    token_file: str,
    script: str,
    data: Path | str,
    output: Path | str | None,
    version: str | None,
    spark: str | None,
    output_dataset: str | None,
    output_gate: bool,
    output_blueprint: str | None,
    output_url: str | None,
    **options: Any,
) -> int:
    """Run SCRIPT on data: a file here, or with --server a script of that service by its name or id.

    Here it runs in the same sandbox, under the same limits and with the same result as at the service. What it writes
    to console goes to standard error. Ends with 1 where there is no result. Where only QUILATE_SERVER names a service,
    a SCRIPT that is a file runs here all the same.
    """
    wishes = Wishes(
        version=version, dataset=output_dataset, gate=output_gate, blueprint=output_blueprint, url=output_url
    )
    if wishes == Wishes() and _is_meant_here(script):
        server = None
    _format_of(Path(data))
    if server and spark is not None:
        raise ConfigurationError("--server and --spark exclude each other", next_step="give one of them")
    if spark is None and (isinstance(data, str) or isinstance(output, str) or data.is_dir()):
        raise ConfigurationError("Directories and URLs are for Spark", next_step="name a file, or give --spark")
    here, there = Path(data), Path(output) if output is not None else None
    if server:
        _require_nothing_of_here(options)
        remote = Remote(server=server, project=project, token_file=token_file)
        return _run_there(remote, script, wishes, here, there)
    if wishes != Wishes():
        raise ConfigurationError(
            "--version and --output-dataset, -gate, -blueprint, -url are for a service", next_step="give --server"
        )
    from quilate.app.cli.script_local import LocalRequest, run_here  # noqa: PLC0415 - keeps --help fast

    file = Path(script)
    if not file.is_file():
        raise ConfigurationError(
            f"there is no file {script!r}", next_step="name a file, or give --server to run a script of a service"
        )
    request = LocalRequest(
        file=file,
        data=here,
        data_format=_format_of(here),
        output=there,
        output_format=_format_of(there) if there is not None else "json",
        **options,
    )
    if spark is not None:
        from quilate.app.cli.script_spark import run_with_spark  # noqa: PLC0415 - keeps --help fast

        return _tell(request, run_with_spark(request, spark, data, output))
    return _tell(request, asyncio.run(run_here(request)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """Which project of which service."""

    server: str
    project: str
    token_file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What only a service can do: run a version that it has, send the result on."""

    version: str | None = None
    dataset: str | None = None
    gate: bool = False
    blueprint: str | None = None
    url: str | None = None


def _is_meant_here(script: str) -> bool:
    """Tell whether a file is meant although the environment names a service."""
    source = click.get_current_context().get_parameter_source("server")
    return source is not ParameterSource.COMMANDLINE and Path(script).is_file()


def _require_nothing_of_here(options: Iterable[str]) -> None:
    """Refuse what a version at a service has of its own: left out in silence, the result would be another one."""
    context = click.get_current_context()
    given = [each for each in options if context.get_parameter_source(each) is ParameterSource.COMMANDLINE]
    if given:
        names = ", ".join(f"--{each.replace('_', '-')}" for each in given)
        raise ConfigurationError(
            f"{names}: a service takes these from the version that it runs",
            next_step="leave them out; `quilate script push` makes a version with another mode or engine",
        )


def _tell(request: "LocalRequest", outcome: "BatchOutcome | SparkOutcome") -> int:
    for line in outcome.console:
        click.echo(harmless(line), err=True)
    if outcome.console_truncated:
        click.echo("(the rest of the console was cut)", err=True)
    if request.output is None and isinstance(outcome.output, bytes):
        current_terminal().document(outcome.output.decode("utf-8", "replace"))
    for part in outcome.failed_parts:
        name = f"group {part.key}" if part.key is not None else f"chunk {part.part}"
        click.echo(harmless(f"{name} from record {part.first_record}: {_why(part.failure)}"), err=True)
    if outcome.failure is not None:
        click.echo(harmless(_why(outcome.failure)), err=True)
    cost = f"{outcome.wall_milliseconds:.0f} ms, {outcome.cpu_milliseconds:.0f} ms CPU"
    memory = f", {outcome.peak_memory_bytes / (1 << 20):.0f} MiB" if outcome.peak_memory_bytes else ""
    click.echo(f"{outcome.records_in} records in, {outcome.records_out} out, {cost}{memory}", err=True)
    return ExitCode.REJECTED if outcome.failure is not None or outcome.failed_parts else ExitCode.APPROVED


def _why(failure: "Failure") -> str:
    place = f" (line {failure.line}, column {failure.column})" if failure.line is not None else ""
    record = f", record {failure.record}" if failure.record is not None else ""
    return f"{failure.kind.value}: {failure.message}{place}{record}"


def _run_there(remote: Remote, script: str, wishes: Wishes, data: Path, output: Path | None) -> int:
    from quilate.client.scripts import OutputTarget  # noqa: PLC0415 - keeps --help fast

    def pieces() -> Iterator[bytes]:
        with sent.open("rb") as reading:
            while piece := reading.read(_PIECE):
                yield piece

    terminal = current_terminal()
    with _sendable(data) as sent, client_of(remote.server, remote.token_file) as client:
        found = client.scripts.find(remote.project, script)
        execution = client.executions.submit(
            remote.project,
            found.id,
            pieces,
            media_type=MEDIA_TYPES[data.suffix.lower()],
            version=wishes.version,
            output_format=_format_of(output) if output is not None else None,
            target=OutputTarget(dataset=wishes.dataset, gate=wishes.gate, blueprint=wishes.blueprint, url=wishes.url),
            wait_seconds=_WAIT_SECONDS,
        )
        if not execution.ended or execution.export is not None:
            execution = client.executions.wait(remote.project, execution.id, exported=True)
        if execution.output_data is not None:
            content = client.executions.output(remote.project, execution.id)
            if output is not None:
                with output.open("wb") as writing:
                    writing.writelines(content)
                _as_named(output)
            else:
                for piece in content:
                    sys.stdout.buffer.write(piece)
                terminal.line()
    show_end(terminal, execution)
    arrived = execution.export is None or execution.export.state == "completed"
    return ExitCode.APPROVED if execution.status == "completed" and arrived else ExitCode.REJECTED


@contextmanager
def _sendable(data: Path) -> Iterator[Path]:
    """Give data as a service takes it: an Arrow file as a stream, anything else as it is.

    Raises:
        ConfigurationError: It cannot be read as Arrow.
    """
    if _format_of(data) != "arrow":
        yield data
        return
    from quilate.scripts.batch import arrow_forms  # noqa: PLC0415 - loads Arrow

    if not arrow_forms.is_file(data):
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="quilate-run-") as directory:
        stream = Path(directory, "data.arrows")
        with _arrow_told(data):
            arrow_forms.write_as_stream(data, stream)
        yield stream


def _as_named(output: Path) -> None:
    """Make a stream of Arrow that a service gave a file where the name says so."""
    if output.suffix.lower() != ".arrow":
        return
    from quilate.scripts.batch import arrow_forms  # noqa: PLC0415 - loads Arrow

    partial = output.with_name(f".{output.name}.partial")
    with _arrow_told(output):
        arrow_forms.write_as_file(output, partial)
    partial.replace(output)


@contextmanager
def _arrow_told(file: Path) -> Iterator[None]:
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 - as above

    try:
        yield
    except pa.ArrowException as error:
        raise ConfigurationError(f"{file} cannot be read as Arrow: {error}", next_step="name another file") from error


def _format_of(file: Path) -> str:
    try:
        return FORMATS[file.suffix.lower()]
    except KeyError as error:
        raise ConfigurationError(
            f"{file}: the end of its name does not say how it is written",
            next_step=f"let it end with one of {', '.join(FORMATS)}",
        ) from error
