"""C05: how many cases each connector passes, and the pages that its requests were checked against.

``python -m tests.connectors.cases`` prints one table of all connectors, the one of ``docs/connectors/others.md``, and
after it that of every request to a forge. Cases are counted as pytest collects them.
"""

import contextlib
import io
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

from tests.connectors.forges.cases import requests
from tests.support.forge_servers.shapes import shapes_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "connectors" / "others.md"
_FORGES = ("github", "gitlab", "bitbucket", "gitea")
_SUITES: Mapping[str, str] = {
    **{forge: f"tests/connectors/forges/test_{forge}.py" for forge in _FORGES},
    "slack": "tests/connectors/notify/test_chats.py",
    "teams": "tests/connectors/notify/test_chats.py",
    "email": "tests/connectors/notify/test_email.py",
    "webhook": "tests/connectors/notify/test_webhook.py",
    "github-issues": "tests/connectors/tickets/test_tickets.py",
    "gitlab-issues": "tests/connectors/tickets/test_tickets.py",
    "jira": "tests/connectors/tickets/test_tickets.py",
    "mlflow": "tests/connectors/registries/test_mlflow.py",
    "openlineage": "tests/connectors/catalogs/test_openlineage.py",
    "datahub": "tests/connectors/catalogs/test_datahub.py",
}
"""Each connector's suite; in one that several share, the ids of cases end with the connector's name."""


class _Collected:
    """What pytest found."""

    def __init__(self) -> None:
        self.items: list[tuple[str, str]] = []

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            call = getattr(item, "callspec", None)
            self.items.append((item.nodeid.partition("::")[0], "" if call is None else str(call.id)))


def counts() -> Mapping[str, int]:
    """Return the number of cases by connector.

    Raises:
        RuntimeError: The suites cannot be collected.
    """
    found = _Collected()
    files = [str(ROOT / name) for name in dict.fromkeys(_SUITES.values())]
    # What this module has imported already is only counted here, not run.
    quiet = ("-qqq", "-W", "ignore::pytest.PytestAssertRewriteWarning", "-p", "no:cacheprovider")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        ended = pytest.main(["--collect-only", *quiet, f"--rootdir={ROOT}", *files], [found])
    if ended != pytest.ExitCode.OK:
        raise RuntimeError(said.getvalue())
    counted: Counter[str] = Counter()
    for file, case in found.items:
        sharing = [name for name, suite in _SUITES.items() if suite == file]
        named = [name for name in sharing if case.endswith(name.removesuffix("-issues"))]
        counted.update(named or sharing)
    return counted


def pages(connector: str) -> Iterable[str]:
    """Return the pages by which a connector's requests are judged."""
    if connector in _FORGES:
        return dict.fromkeys(shape.page.partition("#")[0] for shape in shapes_of(connector))
    row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{connector}` |"))
    return re.findall(r"\]\((https://[^)]+)\)", row)


def table() -> Iterator[str]:
    """Give the lines of the table of connectors."""
    yield "| connector | cases | suite | pages |"
    yield "| --- | --- | --- | --- |"
    counted = counts()
    for name, suite in _SUITES.items():
        yield f"| `{name}` | {counted[name]} | `{suite}` | {', '.join(f'<{page}>' for page in pages(name))} |"


if __name__ == "__main__":
    sys.stdout.write("\n".join((*table(), "", *requests())) + "\n")
