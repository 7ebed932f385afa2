"""Waivers on the wire."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from quilate.waivers.fields import MAX_TEXT_CHARACTERS
from quilate.waivers.requests.model import WaiverRequest, WaiverState, WaiverWish

MOST_PATHS = 100
_NO_NUL = r"^[^\x00]*$"
_SECONDS_OF_A_DAY = 86_400

Line = Annotated[str, StringConstraints(min_length=1, max_length=MAX_TEXT_CHARACTERS, pattern=_NO_NUL)]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WaiverBody(_Request):
    """What is asked for. Whoever asks owns the waiver."""

    rule: Line = Field(description="A rule id such as `ruff/S324`, or the beginning of one followed by `*`.")
    paths: list[Line] = Field(
        default_factory=list, max_length=MOST_PATHS, description="Glob patterns of the places it covers; none for all."
    )
    check: Annotated[str, StringConstraints(max_length=100, pattern=_NO_NUL)] = Field(
        default="", description="The check that showed the finding; for the reviewer, it limits nothing."
    )
    reason: Line = Field(description="Why this is acceptable.")
    until: date = Field(description="The last day (UTC) that it counts; a year from now at most.")

    def wish(self) -> WaiverWish:
        """Return what is asked for."""
        return WaiverWish(
            rule=self.rule.strip(),
            paths=tuple(self.paths),
            check_id=self.check,
            reason=self.reason.strip(),
            until=self.until,
        )


class DecisionBody(_Request):
    """What the person who decides says about it."""

    comment: Annotated[str, StringConstraints(max_length=MAX_TEXT_CHARACTERS, pattern=_NO_NUL)] = Field(
        default="", description="Shown with the waiver."
    )


class ReasonBody(_Request):
    """Why a waiver is refused or ended."""

    reason: Line = Field(description="Shown with the waiver.")


class WaiverView(BaseModel):
    """A waiver with who asked, who decided and how it ended."""

    id: UUID
    state: WaiverState
    rule: str = Field(description="The rule, or the beginning of several.")
    paths: list[str] = Field(description="The places; none for all.")
    check: str = Field(description="The check that showed the finding.")
    reason: str
    until: date = Field(description="The last day (UTC) that it counts.")
    owner: str = Field(description="Who asked and answers for it.")
    requested_at: datetime
    age_days: int = Field(description="Whole days since it was asked for.")
    decided_by: str | None = Field(description="Who approved or rejected it; never the owner.")
    decided_at: datetime | None
    comment: str | None = Field(description="What they said.")
    ended_by: str | None = Field(description="Who revoked it; the service, where its last day was over.")
    ended_at: datetime | None
    end_reason: str | None


class WaiverPage(BaseModel):
    """A page of waivers."""

    items: list[WaiverView] = Field(description="Newest first.")
    next_cursor: str = Field(description="Leads to the next page; empty on the last.")


def waiver_view(request: WaiverRequest) -> WaiverView:
    """Return a waiver as it goes over the wire."""
    return WaiverView(
        id=request.id,
        state=request.current_state,
        rule=request.rule,
        paths=list(request.paths),
        check=request.check_id,
        reason=request.reason,
        until=request.until,
        owner=request.owner,
        requested_at=request.requested_at,
        age_days=int(request.age.total_seconds() // _SECONDS_OF_A_DAY),
        decided_by=request.decided_by,
        decided_at=request.decided_at,
        comment=request.decision_comment,
        ended_by=request.ended_by,
        ended_at=request.ended_at,
        end_reason=request.end_reason,
    )
