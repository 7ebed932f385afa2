"""Waivers and schedules of a project."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any
from uuid import UUID

from quilate.client.model import Firing, Schedule, WaiverRequest
from quilate.client.pages import items_of
from quilate.client.transport import Transport, path_of


class Waivers:
    """Accepted exceptions: asked for by one person, approved by another."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def request(  # noqa: PLR0913 - the parts of a waiver
        self,
        project: str,
        *,
        rule: str,
        reason: str,
        until: date,
        paths: tuple[str, ...] = (),
        check: str = "",
    ) -> WaiverRequest:
        """Ask for a waiver; it counts once another person has approved it.

        Args:
            project: The project's slug.
            rule: A rule id, or the beginning of one followed by ``*``.
            reason: Why this is acceptable.
            until: The last day (UTC) that it counts.
            paths: Glob patterns of the places that it covers; none for all.
            check: The check that showed the finding.
        """
        body = {"rule": rule, "reason": reason, "until": until, "paths": paths, "check": check}
        return self._waiver(self._path(project), body)

    def list(self, project: str, state: str | None = None) -> Iterator[WaiverRequest]:
        """Yield waivers, newest first."""
        return items_of(self._transport, self._path(project), WaiverRequest, {"state": state})

    def get(self, project: str, waiver: UUID | str) -> WaiverRequest:
        """Return a waiver."""
        answer = self._transport.request("GET", self._path(project, str(waiver)))
        return self._transport.convert(answer, WaiverRequest)

    def approve(self, project: str, waiver: UUID | str, comment: str = "") -> WaiverRequest:
        """Approve a waiver of somebody else.

        Raises:
            ForbiddenError: The caller owns it, or may not approve.
        """
        return self._waiver(self._path(project, str(waiver), "approve"), {"comment": comment})

    def reject(self, project: str, waiver: UUID | str, reason: str) -> WaiverRequest:
        """Reject a waiver of somebody else."""
        return self._waiver(self._path(project, str(waiver), "reject"), {"reason": reason})

    def revoke(self, project: str, waiver: UUID | str, reason: str) -> WaiverRequest:
        """End a waiver, or take a request back."""
        return self._waiver(self._path(project, str(waiver), "revoke"), {"reason": reason})

    def _waiver(self, path: str, body: Mapping[str, Any]) -> WaiverRequest:
        return self._transport.convert(self._transport.request("POST", path, json=body), WaiverRequest)

    def _path(self, project: str, *more: str) -> str:
        return path_of("projects", project, "waivers", *more)


class Schedules:
    """Runs that submit themselves."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def create(
        self,
        project: str,
        *,
        name: str,
        cron: str,
        time_zone: str = "UTC",
        run: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Schedule:
        """Create a schedule.

        Args:
            project: The project's slug.
            name: What people call it, once in the project.
            cron: Minute, hour, day of the month, month, day of the week.
            time_zone: Name of the IANA database.
            run: What it submits, as ``Runs.submit`` takes it.
            options: ``missed``, ``most_missed`` and ``enabled`` as the API documents them.
        """
        body = {"name": name, "cron": cron, "time_zone": time_zone, "run": dict(run or {}), **options}
        answer = self._transport.request("POST", self._path(project), json=body)
        return self._transport.convert(answer, Schedule)

    def list(self, project: str) -> Iterator[Schedule]:
        """Yield schedules, newest first."""
        return items_of(self._transport, self._path(project), Schedule)

    def get(self, project: str, schedule: UUID | str) -> Schedule:
        """Return a schedule."""
        answer = self._transport.request("GET", self._path(project, str(schedule)))
        return self._transport.convert(answer, Schedule)

    def delete(self, project: str, schedule: UUID | str) -> None:
        """Delete a schedule in the state that it has now."""
        path = self._path(project, str(schedule))
        tag = self._transport.request("GET", path).headers.get("etag", "*")
        self._transport.request("DELETE", path, headers={"If-Match": tag})

    def firings(self, project: str, schedule: UUID | str) -> Iterator[Firing]:
        """Yield what became of its firings, newest first."""
        return items_of(self._transport, self._path(project, str(schedule), "firings"), Firing)

    def preview(self, project: str, schedule: UUID | str) -> tuple[datetime, ...]:
        """Return the next moments at which it fires."""
        answer = self._transport.request("GET", self._path(project, str(schedule), "preview"))
        return self._transport.convert(answer, dict[str, tuple[datetime, ...]])["moments"]

    def _path(self, project: str, *more: str) -> str:
        return path_of("projects", project, "schedules", *more)
