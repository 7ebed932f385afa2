"""Health on the wire."""

from typing import Literal

from pydantic import BaseModel, Field

Status = Literal["ok", "warning", "failed"]


class LiveView(BaseModel):
    """The process answers."""

    status: Literal["ok"] = Field(description="Always `ok`.")


class PartView(BaseModel):
    """One part of the service."""

    status: Status = Field(description="Only `failed` keeps requests away.")
    detail: str = Field(description="What was found.")
    milliseconds: float = Field(description="How long the look took.")


class HealthView(BaseModel):
    """How the service is."""

    status: Status = Field(description="That of the worst part.")
    message: Literal["Healthy", "Unhealthy"] = Field(description="The same in one word.")
    checks: dict[str, PartView] = Field(description="Each part by name.")
