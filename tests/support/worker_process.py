"""A durable worker as a process of its own, for tests that kill it: ``python -m tests.support.worker_process``.

Arguments: database address, directory, lease seconds, beat seconds, blueprint file.
"""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from quilate.runs.durable.worker import WorkerOptions

ROOT = Path(__file__).resolve().parents[2]


def start_worker(
    url: str, directory: Path, blueprint_text: str, *, lease: float = 1.0, beat: float = 0.25
) -> subprocess.Popen[bytes]:
    """Start a worker; the caller ends it."""
    file = directory / "blueprint.yaml"
    file.write_text(blueprint_text)
    environment = {**os.environ, "QUILATE_HOME": str(directory / "home"), "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}"}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.support.worker_process", url, str(directory), str(lease), str(beat), str(file)],
        env=environment,
        start_new_session=True,
    )


def _print_tasks() -> None:
    for task in asyncio.all_tasks():
        task.print_stack(limit=6, file=sys.stderr)


async def main(arguments: list[str]) -> None:
    """Work until SIGTERM."""
    import tests.support.durable_checks  # noqa: F401, PLC0415 - makes its check types known
    from tests.support.durable import FAKES, running_worker  # noqa: PLC0415 - the starting test has no use for it

    url, directory, lease, beat, file = arguments
    asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, _print_tasks)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    options = WorkerOptions(capacity=4, plugins=(FAKES,), lease_seconds=float(lease), beat_seconds=float(beat))
    text = Path(file).read_text()  # noqa: ASYNC240 - once, at the start
    async with running_worker(url, Path(directory), blueprint_text=text, options=options, stop=stop) as worker:
        sys.stdout.write(f"{worker.id}\n")
        sys.stdout.flush()
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
