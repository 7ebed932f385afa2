"""``python -m quilate.app.demo DIRECTORY``: run the service of a kept demonstration project until Ctrl+C."""

import contextlib
import sys
from pathlib import Path

from quilate.app.demo.service import DemoService

if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt), DemoService(Path(sys.argv[1])) as service:
        service.wait()
