"""What a service answers when it has read its settings anew."""

from __future__ import annotations

from pydantic import BaseModel, Field

RELOAD_PATH = "/api/v1/settings/reload"


class SettingChange(BaseModel):
    """A setting that changed; of a secret only that it is set."""

    name: str
    before: str | bool | int | float | None
    after: str | bool | int | float | None


class ReloadResponse(BaseModel):
    """The settings that are now in force where others were; none when nothing had changed."""

    service: str
    changed: list[SettingChange] = Field(description="By name.")
