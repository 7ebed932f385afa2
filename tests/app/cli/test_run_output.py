"""The first line of a run (C03)."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from quilate import __version__
from quilate.app.cli.remote_report import plan_of_run
from quilate.app.cli.run_output import header
from quilate.blueprints.model import ProjectFile
from quilate.client.model import RunDetail
from quilate.domain.ids import Digest
from quilate.domain.subject import Subject, SubjectKind
from quilate.domain.verdict import RunStatus

NOWHERE = Subject(kind=SubjectKind.TREE, name="", digest=Digest(""))
PROJECT = ProjectFile(project="shop", type="library", blueprint="own.yaml", root="/nowhere")


@pytest.mark.parametrize(("blueprint", "shown"), [("demo", "  demo"), ("", "")])
def test_a_version_that_is_not_known_yet_leaves_no_trace(blueprint: str, shown: str) -> None:
    detail = RunDetail(
        id=UUID(int=1),
        status=RunStatus.RUNNING,
        verdict=None,
        event="api",
        actor="local:local",
        source={"kind": "none"},
        version=1,
        submitted_at=datetime(2026, 11, 21, tzinfo=UTC),
        blueprint=blueprint,
    )

    assert header(plan_of_run(detail, PROJECT), NOWHERE) == f"quilate {__version__}  shop{shown}"
