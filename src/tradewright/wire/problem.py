"""What every error looks like outside: RFC 9457 problem details with a stable code.

A caller decides by `code` and `status`; `title` and `detail` are for people and may change. The
numbers behind a refusal are members beside these. What the caller sent is never repeated.
"""

from __future__ import annotations

from typing import Final

from pydantic import BaseModel, ConfigDict, Field

PROBLEM_TYPE: Final = "application/problem+json"
_URN: Final = "urn:tradewright:problem:"


class BrokenRule(BaseModel):
    """One field of a request that breaks a rule."""

    field: str = Field(description="Where in the request, its parts apart by dots.")
    rule: str = Field(description="The rule that it breaks.")
    remedy: str = Field(description="What to send instead.")


class Problem(BaseModel):
    """Why a request was not answered as asked."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="The code as a URN.")
    title: str = Field(description="The kind of problem, in a sentence.")
    status: int = Field(description="The status of the answer.")
    detail: str = Field(description="This problem, in a sentence.")
    code: str = Field(description="The stable code of the kind of problem.")
    trace_id: str | None = Field(description="What to quote when asking for help.")
    errors: list[BrokenRule] | None = Field(None, description="Each field that breaks a rule.")


def problem_type(code: str) -> str:
    """Return the URN that names a code."""
    return _URN + code
