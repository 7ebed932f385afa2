"""The description of the API without a service: ``python -m quilate.app.service.openapi`` writes ``docs/``."""

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from quilate.app.service.http import create_app
from quilate.app.service.pages import problem_page_text
from quilate.app.service.settings import Settings

_NO_DATABASE = "postgresql:///none"


def describe() -> dict[str, Any]:
    """Return the OpenAPI document; nothing is started for it."""
    with tempfile.TemporaryDirectory() as directory:
        return create_app(Settings(state=Path(directory), database_url=_NO_DATABASE)).openapi()


def written() -> dict[str, str]:
    """Return the files that are made here, by their names below ``docs/``."""
    return {
        "openapi.json": json.dumps(describe(), indent=1, ensure_ascii=False) + "\n",
        "problems.md": problem_page_text(),
    }


def main() -> int:
    """Write the files."""
    docs = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs")
    for name, text in written().items():
        (docs / name).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
