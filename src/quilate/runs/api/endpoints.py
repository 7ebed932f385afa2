"""Routes of runs below ``/projects/{project}``."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from quilate.accounts.access import Access
from quilate.accounts.model import Permission, ProjectAccess
from quilate.domain.severity import Severity
from quilate.domain.verdict import RunStatus, Verdict
from quilate.runs.api.cursors import DEFAULT_PAGE, LARGEST_PAGE
from quilate.runs.api.dead_letters.endpoints import make_dead_letter_router
from quilate.runs.api.documents.endpoints import make_document_router
from quilate.runs.api.model import FindingFilter, RunFilter
from quilate.runs.api.pipelines.endpoints import make_pipelines_router
from quilate.runs.api.responses import problems, whole_link
from quilate.runs.api.schemas import (
    DIGEST_PATTERN,
    CancelRequest,
    FindingPage,
    FindingView,
    RerunRequest,
    RunAccepted,
    RunPage,
    RunRequest,
    RunState,
    RunView,
)
from quilate.runs.api.service import RunService
from quilate.runs.api.streams.endpoints import make_stream_router
from quilate.runs.api.views import links_of, run_summary, run_view
from quilate.runs.durable.model import Submitted

