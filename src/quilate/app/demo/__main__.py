"""``python -m quilate.app.demo DIRECTORY``: run the service of a kept demonstration project until it is ended."""

import contextlib
import sys
from pathlib import Path

from quilate.app.demo.service import DemoService, interrupted_by_signals
from quilate.domain.errors import ExitCode, QuilateError


def main(arguments: list[str]) -> int:
    """Run the service until Ctrl+C, SIGTERM or SIGHUP and return an exit code of the command line."""
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.stderr.write("usage: python -m quilate.app.demo DIRECTORY\n")
        return ExitCode.USAGE
    try:
        with (
            contextlib.suppress(KeyboardInterrupt),
            interrupted_by_signals(),
            DemoService(Path(arguments[0])) as service,
        ):
            port, tls_port = service.ports()
            sys.stdout.write(f"it answers at http://127.0.0.1:{port} and https://127.0.0.1:{tls_port}\n")
            sys.stdout.flush()
            service.wait()
    except QuilateError as error:
        sys.stderr.write(f"error: {error}\n  {error.next_step}\n")
        return error.exit_code
    return ExitCode.APPROVED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
