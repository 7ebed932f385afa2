"""What every process of the service does alike: settings, a clean end on a signal or with its parent, exit codes."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import uvloop

from quilate import __version__
from quilate.app.service.settings import Settings, load_settings
from quilate.domain.errors import ConfigurationErrors, ExitCode, QuilateError
from quilate.kit.log import configure_logging, logger
from quilate.kit.tracing import configure_tracing, shut_down_tracing

LIFELINE_VARIABLE = "QUILATE_LIFELINE_DESCRIPTOR"
"""Names the read end of a pipe whose other end only our parent holds: when it closes, the parent has ended."""

_SECRET_VARIABLES = ("QUILATE_DATABASE_URL",)

Work = Callable[[Settings, asyncio.Event], Awaitable[None]]


def run_role(name: str, work: Work) -> int:
    """Run a process of the service until it ends or is asked to stop, and return its exit code.

    Args:
        name: ``api``, ``worker`` or ``background``, for its log and traces.
        work: What it does, with its settings and the event that asks it to stop. When it has not ended a while after
            the event it is cancelled.
    """
    # As for the command line: loading modules makes many objects that stay.
    gc.set_threshold(100_000, 20, 100)
    try:
        settings = load_settings()
        for variable in _SECRET_VARIABLES:
            # Programs that this process starts have no use for it.
            os.environ.pop(variable, None)
        configure_logging(settings.log_level)
        configure_tracing(f"quilate-{name}", endpoint=settings.trace_endpoint, version=__version__)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_run(work, settings))
    except QuilateError as error:
        for each in error.errors if isinstance(error, ConfigurationErrors) else (error,):
            sys.stderr.write(f"error: {each}\n{f'  {each.next_step}' if each.next_step else ''}\n")
        return error.exit_code
    except (KeyboardInterrupt, asyncio.CancelledError):
        return ExitCode.INTERRUPTED
    except Exception:  # noqa: BLE001 - the one place that logs what ends a process, without secrets
        logger(f"quilate.{name}").error("the process ended by a fault", exc_info=True)
        return ExitCode.INTERNAL
    finally:
        shut_down_tracing()
    return 0


async def _run(work: Work, settings: Settings) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    lifeline = _lifeline()
    if lifeline >= 0:
        # Nothing is ever written to it: it becomes readable when it closes.
        loop.add_reader(lifeline, _closed, loop, lifeline, stop)
    task = asyncio.ensure_future(work(settings, stop))
    asked = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            await asyncio.wait({task}, timeout=settings.stop_seconds)
        if not task.done():
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    finally:
        asked.cancel()


def _lifeline() -> int:
    text = os.environ.pop(LIFELINE_VARIABLE, "")
    if not text:
        return -1
    os.set_inheritable(int(text), False)  # noqa: FBT003 - the standard library's own signature
    return int(text)


def _closed(loop: asyncio.AbstractEventLoop, lifeline: int, stop: asyncio.Event) -> None:
    loop.remove_reader(lifeline)
    stop.set()
