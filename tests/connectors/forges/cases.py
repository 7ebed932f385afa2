"""C05: how many cases each provider's connector passes, and by which page each request was judged.

``python -m tests.connectors.forges.cases`` prints the table of ``docs/connectors/forges.md``.
"""

import math
import sys
from collections.abc import Iterator

from tests.connectors.forges import test_bitbucket, test_gitea, test_github, test_gitlab
from tests.connectors.forges.contract import ForgeContract
from tests.support.forge_servers.shapes import shapes_of

_SUITES: dict[str, tuple[str, type[ForgeContract]]] = {
    "GitHub, as an app": ("github", test_github.TestGitHubApp),
    "GitHub, with a token": ("github", test_github.TestGitHubToken),
    "GitLab": ("gitlab", test_gitlab.TestGitLab),
    "Bitbucket Cloud": ("bitbucket", test_bitbucket.TestBitbucket),
    "Gitea and Forgejo": ("gitea", test_gitea.TestGitea),
}


def _cases(suite: type[ForgeContract]) -> int:
    return sum(_repetitions(getattr(suite, name)) for name in dir(suite) if name.startswith("test_"))


def _repetitions(test: object) -> int:
    marks = getattr(test, "pytestmark", [])
    return math.prod(len(mark.args[1]) for mark in marks if mark.name == "parametrize")


def counts() -> Iterator[str]:
    """Give the lines of the table of cases."""
    yield "| Provider | Cases |"
    yield "| --- | --- |"
    for name, (_, suite) in _SUITES.items():
        yield f"| {name} | {_cases(suite)} |"


def requests() -> Iterator[str]:
    """Give the lines of the table of requests."""
    yield "| Provider | Request | Documentation page | Shape from |"
    yield "| --- | --- | --- | --- |"
    for provider in dict.fromkeys(provider for provider, _ in _SUITES.values()):
        for shape in sorted(shapes_of(provider), key=lambda each: (each.source, each.operation)):
            yield f"| {provider} | `{shape.operation}` | <{shape.page}> | {shape.source} |"


def table() -> str:
    """Return both tables."""
    return "\n".join((*counts(), "", *requests()))


if __name__ == "__main__":
    sys.stdout.write(f"{table()}\n")
