"""When a market is open: sessions, calendars, time frames and spans.

A session belongs to a local date but its open and close are UTC instants; both ends of a
span of dates are included. A calendar ends somewhere, and asking beyond it is an error,
since an unknown market counts as closed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from tradewright.core.errors import InvalidInput, MissingData

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime


class Timeframe(StrEnum):
    """The length of a bar."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"

    @property
    def seconds(self) -> int:
        """Length in seconds; a day's is nominal, since its session decides."""
        return {"minute": 60, "hour": 3600, "day": 86400}[self.value]


@dataclass(frozen=True, slots=True)
class Span:
    """Dates from `start` to `end`, both included."""

    start: date
    end: date

    def __post_init__(self) -> None:
        """Refuse a span that ends before it starts."""
        if self.end < self.start:
            raise InvalidInput("span", f"{self.start}..{self.end}", "ends before it starts")

    def __contains__(self, day: date) -> bool:
        """Say whether a date lies within."""
        return self.start <= day <= self.end


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day: local date, UTC open and close, and whether it closes early."""

    date: date
    open: datetime
    close: datetime
    early_close: bool = False

    def __contains__(self, at: datetime) -> bool:
        """Say whether the market is open at `at`: the open is inside, the close is not."""
        return self.open <= at < self.close


@dataclass(frozen=True, slots=True)
class Calendar:
    """The sessions of one market in order of time."""

    name: str
    sessions: tuple[Session, ...]
    _opens: list[datetime] = field(init=False, repr=False, compare=False)
    _dates: list[date] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the sessions and refuse an unordered list."""
        object.__setattr__(self, "_opens", [s.open for s in self.sessions])
        object.__setattr__(self, "_dates", [s.date for s in self.sessions])
        if any(a >= b for a, b in zip(self._dates, self._dates[1:], strict=False)):
            raise InvalidInput("sessions", self.name, "are not in order of date")

    def session_at(self, at: datetime) -> Session | None:
        """Return the session that is open at `at`, if any; unknown times raise MissingData."""
        index = bisect_right(self._opens, at) - 1
        if index < 0 or (index == len(self.sessions) - 1 and at >= self.sessions[-1].close):
            raise self._unknown(at)
        session = self.sessions[index]
        return session if at in session else None

    def is_open(self, at: datetime) -> bool:
        """Say whether the market is open at `at`."""
        return self.session_at(at) is not None

    def next_session(self, at: datetime) -> Session:
        """Return the first session that opens after `at`."""
        index = bisect_right(self._opens, at)
        if index >= len(self.sessions):
            raise self._unknown(at)
        return self.sessions[index]

    def session_on(self, day: date) -> Session:
        """Return the session of a local date."""
        index = bisect_left(self._dates, day)
        if index >= len(self._dates) or self._dates[index] != day:
            raise MissingData(f"calendar {self.name}", f"no session on {day}")
        return self.sessions[index]

    def after(self, session: Session, count: int = 1) -> Session:
        """Return the session `count` places after (before, if negative) another."""
        index = bisect_left(self._dates, session.date) + count
        if not 0 <= index < len(self.sessions):
            raise self._unknown(session.open)
        return self.sessions[index]

    def within(self, span: Span) -> Sequence[Session]:
        """Return the sessions whose dates lie in `span`."""
        return self.sessions[
            bisect_left(self._dates, span.start) : bisect_right(self._dates, span.end)
        ]

    def _unknown(self, at: datetime) -> MissingData:
        known = f"{self._dates[0]}..{self._dates[-1]}" if self._dates else "nothing"
        return MissingData(
            f"calendar {self.name}",
            f"{at.isoformat()} lies outside what is known ({known})",
            "load a calendar that covers it",
        )
