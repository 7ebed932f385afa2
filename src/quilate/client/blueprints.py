"""Blueprints of a project: drafts, publication, comparison."""

from collections.abc import Iterator, Mapping
from typing import Any

from quilate.client.model import Blueprint, BlueprintDraft, BlueprintVersion
from quilate.client.pages import items_of
from quilate.client.transport import Transport, path_of


class Blueprints:
    """Reads, drafts and publishes blueprints. A draft is changed and published in the state that its tag names."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def list(self, project: str) -> Iterator[Blueprint]:
        """Yield the built-in blueprints and the project's own."""
        return items_of(self._transport, _path(project), Blueprint)

    def versions(self, project: str, name: str) -> Iterator[BlueprintVersion]:
        """Yield the published versions, newest first."""
        return items_of(self._transport, _path(project, name, "versions"), BlueprintVersion)

    def version(self, project: str, name: str, version: str) -> BlueprintVersion:
        """Return a published version with its text."""
        answer = self._transport.request("GET", _path(project, name, "versions", version))
        return self._transport.convert(answer, BlueprintVersion)

    def create_draft(self, project: str, text: str) -> BlueprintDraft:
        """Begin a draft; its name is the document's ``id``.

        Raises:
            InvalidRequestError: The text is no blueprint; ``problem["errors"]`` names line and column.
            ConflictError: There is a draft of that name already.
        """
        return self._draft("POST", _path(project), text=text)

    def draft(self, project: str, name: str) -> BlueprintDraft:
        """Return a draft with its tag."""
        return self._draft("GET", _path(project, name, "draft"))

    def update_draft(self, project: str, draft: BlueprintDraft, text: str) -> BlueprintDraft:
        """Change a draft that nobody has changed meanwhile.

        Raises:
            ConflictError: Somebody has.
        """
        return self._draft("PUT", _path(project, draft.name, "draft"), text=text, tag=draft.tag)

    def discard_draft(self, project: str, draft: BlueprintDraft) -> None:
        """Throw a draft away that nobody has changed meanwhile."""
        self._transport.request("DELETE", _path(project, draft.name, "draft"), headers={"If-Match": draft.tag})

    def publish(self, project: str, draft: BlueprintDraft) -> BlueprintVersion:
        """Publish exactly this state of a draft; none of its authors can.

        Raises:
            ForbiddenError: The caller is one of its authors, or may not publish.
            ConflictError: It was changed meanwhile.
        """
        answer = self._transport.request(
            "POST", _path(project, draft.name, "draft", "publish"), headers={"If-Match": draft.tag}
        )
        return self._transport.convert(answer, BlueprintVersion)

    def what_if(self, project: str, name: str, runs: int = 20) -> Mapping[str, Any]:
        """Return what a draft would have made of the project's last runs."""
        answer = self._transport.request("GET", _path(project, name, "draft", "what-if"), query={"runs": runs})
        return self._transport.convert(answer, dict[str, Any])

    def _draft(self, method: str, path: str, *, text: str | None = None, tag: str = "") -> BlueprintDraft:
        answer = self._transport.request(
            method,
            path,
            json=None if text is None else {"text": text},
            headers={"If-Match": tag} if tag else None,
        )
        document = self._transport.convert(answer, dict[str, Any])
        return BlueprintDraft(
            name=str(document["name"]),
            version=str(document["version"]),
            text=str(document["text"]),
            tag=answer.headers.get("etag", ""),
        )


def _path(project: str, *more: str) -> str:
    return path_of("projects", project, "blueprints", *more)
