"""The schema: what is asked for at the root. ``python -m quilate.graphql.schema`` writes ``docs/schema.graphql``."""

from collections.abc import Sequence
from pathlib import Path
from uuid import UUID

import strawberry
from graphql import GraphQLError
from strawberry.types import ExecutionContext

from quilate.accounts.model import Permission, ProjectAccess
from quilate.graphql.context import QueryInfo, refused
from quilate.graphql.limits import DEFAULT_PAGE, page_size
from quilate.graphql.pages import After, First, PageInfo, decode_id
from quilate.graphql.run_types import Run
from quilate.graphql.types import Project, ProjectPage
from quilate.kit.web.paging import encode_cursor
from quilate.kit.web.problems import Problem

SCHEMA_FILE = "docs/schema.graphql"


@strawberry.type(description="The read side.")
class Query:
    """What can be asked for."""

    @strawberry.field(description="Projects that the caller may read.")
    async def projects(
        self,
        info: QueryInfo,
        first: First = DEFAULT_PAGE,
        after: After = "",
        archived: bool = False,  # noqa: FBT001, FBT002 - arguments of the query have names
    ) -> ProjectPage:
        """Return a page of projects."""
        context = info.context
        size = page_size(first)
        found = await context.projects.list(context.principal, after=decode_id(after), most=size + 1, archived=archived)
        shown = found[:size]
        more = len(found) > size
        nodes = [Project.of(ProjectAccess(principal=context.principal, project=project.reference)) for project in shown]
        end = encode_cursor(shown[-1].id) if more else ""
        return ProjectPage(nodes=nodes, page_info=PageInfo(has_next_page=more, end_cursor=end))

    @strawberry.field(description="A project by its slug.")
    async def project(self, info: QueryInfo, slug: str) -> Project:
        """Return a project."""
        return Project.of(await _opened(info, slug))

    @strawberry.field(description="A run of a project.")
    async def run(self, info: QueryInfo, project: str, id: UUID) -> Run:  # noqa: A002 - the vocabulary's word
        """Return a run."""
        access = await _opened(info, project)
        row = await info.context.loaders.store.run(access.project.id, id)
        if row is None:
            raise refused(Problem(status=404, type="not-found", detail=f"the project has no run {id}"))
        return Run.of(access, row)


async def _opened(info: QueryInfo, slug: str) -> ProjectAccess:
    try:
        return await info.context.open_project(slug, Permission.PROJECT_READ)
    except Problem as problem:
        raise refused(problem) from problem


class _Schema(strawberry.Schema):
    """Logs what nobody foresaw only: a wrong query is its sender's matter."""

    def process_errors(self, errors: Sequence[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        unforeseen = [error for error in errors if not isinstance(error.original_error, GraphQLError | None)]
        super().process_errors(unforeseen, execution_context)


SCHEMA = _Schema(query=Query)


def schema_text() -> str:
    """Return the schema in its definition language."""
    return SCHEMA.as_str() + "\n"


if __name__ == "__main__":
    Path(SCHEMA_FILE).write_text(schema_text(), encoding="utf-8")
