"""The market's clock and calendar, as the vendor writes them: in New York's time.

The clock is the replay's, not the machine's. Beyond the end of the calendar weekdays are taken
for sessions: whoever asks when the market opens next must be told something.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from tradewright.core.errors import MissingData
from tradewright.core.session import Calendar, Session, Span
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import BAD_REQUEST, NEW_YORK, Refused, read_moment

if TYPE_CHECKING:
    from tradewright.core.records import JsonValue

MARKETS: Final[Mapping[str, tuple[str, str, str]]] = {
    "NYSE": ("NYSE", "XNYS", "New York Stock Exchange"),
    "XNYS": ("NYSE", "XNYS", "New York Stock Exchange"),
    "NASDAQ": ("NASDAQ", "XNAS", "NASDAQ Stock Exchange"),
    "XNAS": ("NASDAQ", "XNAS", "NASDAQ Stock Exchange"),
}
_BAD: Final = 400
_PRE, _OPEN, _CLOSE = time(4), time(9, 30), time(16)
_AFTER_HOURS: Final = timedelta(hours=4)
_A_DAY: Final = timedelta(days=1)
_A_WEEK: Final = timedelta(days=7)
_FRIDAY: Final = 4
# Sessions from trade to settlement, and the first trade date of each rule (15c6-1), newest first.
_SETTLEMENTS: Final = ((date(2024, 5, 28), 1), (date(2017, 9, 5), 2), (date.min, 3))


@dataclass(frozen=True, slots=True)
class Hours:
    """A day of the market: the times at which it may be traded begin, open, close and end."""

    begin: datetime
    open: datetime
    close: datetime
    end: datetime

    @classmethod
    def of(cls, session: Session) -> Hours:
        """Return the hours of a session: after hours are four, on half days too."""
        begin = datetime.combine(session.date, _PRE, NEW_YORK)
        return cls(begin, _local(session.open), _local(session.close), _after(session))

    def phase(self, at: datetime) -> tuple[str, datetime] | None:
        """Return what part of the day it is and until when, None outside."""
        ends = (("", self.begin), ("pre", self.open), ("core", self.close), ("post", self.end))
        name, until = next(((name, end) for name, end in ends if at < end), ("", self.end))
        return (name, until) if name else None


def clock(exchange: Exchange) -> dict[str, JsonValue]:
    """Write the market's own clock, with the faults that are set on it."""
    market = exchange.market
    session = None if market.closed_by_fault else market.session
    following = _next(market.calendar, market.now)
    return {
        "timestamp": _local(market.now + market.skew).isoformat(),
        "is_open": session is not None,
        "next_open": _local(following.open).isoformat(),
        "next_close": _local((session or following).close).isoformat(),
    }


def clocks(exchange: Exchange, query: Mapping[str, str]) -> dict[str, JsonValue]:
    """Write the clocks of some markets, now or at another `time`."""
    calendar = exchange.market.calendar
    asked = query.get("time")
    at = read_moment(asked, "time") if asked else exchange.market.now
    today = _session_on(calendar, _local(at).date())
    following = _next(calendar, at)
    phase = Hours.of(today).phase(at) if today is not None else None
    upcoming = today if today is not None and at < today.close else following
    name, until = phase or ("closed", Hours.of(_begins_next(today, following, at)).begin)
    rows: list[JsonValue] = [
        {
            "market": _market(market),
            "timestamp": _local(at).isoformat(),
            "is_market_day": today is not None,
            "next_market_open": _local(following.open).isoformat(),
            "next_market_close": _local(upcoming.close).isoformat(),
            "phase": name,
            "phase_until": until.isoformat(),
        }
        for market in query.get("markets", "NYSE,NASDAQ").split(",")
    ]
    return {"clocks": rows}


def calendar(exchange: Exchange, query: Mapping[str, str]) -> list[dict[str, str]]:
    """Write the sessions from `start` to `end`, both included, of trading or of settlement."""
    days = exchange.market.calendar
    kind = query.get("date_type") or "TRADING"
    if kind not in {"TRADING", "SETTLEMENT"}:
        raise _bad(f"invalid date_type: {kind}; allowed: TRADING, SETTLEMENT")
    if not days.sessions:
        return []
    first = _date(query, "start") or days.sessions[0].date
    last = _date(query, "end") or max(days.sessions[-1].date, first)
    if kind == "TRADING":
        return [_day(days, session) for session in days.within(_span(first, last))]
    asked = _span(first, last)
    # No trade takes a fortnight to settle.
    earliest = max(first, date.min + 2 * _A_WEEK) - 2 * _A_WEEK
    traded = days.within(Span(earliest, last))
    return [_day(days, session) for session in traded if settles(days, session) in asked]


def calendar_of(exchange: Exchange, market: str, query: Mapping[str, str]) -> dict[str, JsonValue]:
    """Write a market's sessions with their phases, a week of them unless asked for more."""
    days = exchange.market.calendar
    zone = query.get("timezone") or ""
    if zone not in {"", "UTC"}:
        raise _bad(f"invalid timezone: {zone}; allowed: UTC")
    first = _date(query, "start") or _local(exchange.market.now).date()
    last = _date(query, "end") or min(first, date.max - _A_WEEK) + _A_WEEK
    rows: list[JsonValue] = [
        _phases(days, session, utc=bool(zone)) for session in days.within(_span(first, last))
    ]
    return {"market": _market(market), "calendar": rows}


def _phases(days: Calendar, session: Session, *, utc: bool) -> dict[str, JsonValue]:
    hours = Hours.of(session)
    times = {
        "pre_start": hours.begin,
        "pre_end": hours.open,
        "core_start": hours.open,
        "core_end": hours.close,
        "post_start": hours.close,
        "post_end": hours.end,
    }
    return {
        "date": session.date.isoformat(),
        **{name: (at.astimezone(UTC) if utc else at).isoformat() for name, at in times.items()},
        "settlement_date": settles(days, session).isoformat(),
    }


def settles(days: Calendar, session: Session) -> date:
    """Return the date on which a trade of the session settles, by the rule of its time."""
    count = next(lag for since, lag in _SETTLEMENTS if session.date >= since)
    for _ in range(count):
        session = _next(days, session.open)
    return session.date


def _next(days: Calendar, at: datetime) -> Session:
    try:
        return days.next_session(at)
    except MissingData:
        day = _local(at).date()
        if datetime.combine(day, _OPEN, NEW_YORK) <= at:
            day += _A_DAY
        while day.weekday() > _FRIDAY:
            day += _A_DAY
        opens, closes = (datetime.combine(day, clock, NEW_YORK) for clock in (_OPEN, _CLOSE))
        return Session(day, opens.astimezone(UTC), closes.astimezone(UTC))


def _session_on(days: Calendar, day: date) -> Session | None:
    found = days.within(Span(day, day))
    return found[0] if found else None


def _begins_next(today: Session | None, following: Session, at: datetime) -> Session:
    return today if today is not None and at < Hours.of(today).begin else following


def _day(days: Calendar, session: Session) -> dict[str, str]:
    hours = Hours.of(session)
    return {
        "date": session.date.isoformat(),
        "open": f"{hours.open:%H:%M}",
        "close": f"{hours.close:%H:%M}",
        "session_open": f"{hours.begin:%H%M}",
        "session_close": f"{hours.end:%H%M}",
        "settlement_date": settles(days, session).isoformat(),
    }


def _market(name: str) -> dict[str, JsonValue]:
    if name not in MARKETS:
        known = ", ".join(MARKETS)
        raise _bad(f"invalid market: {name}; this exchange knows {known}")
    acronym, code, title = MARKETS[name]
    return {"acronym": acronym, "mic": code, "name": title, "timezone": str(NEW_YORK)}


def _local(at: datetime) -> datetime:
    return at.astimezone(NEW_YORK)


def _after(session: Session) -> datetime:
    return _local(session.close + _AFTER_HOURS)


def _date(query: Mapping[str, str], field: str) -> date | None:
    text = query.get(field)
    if not text:
        return None
    try:
        return datetime.fromisoformat(text).date()
    except ValueError as error:
        raise _bad(f"invalid {field}: {text} is not a date") from error


def _span(first: date, last: date) -> Span:
    if last < first:
        raise _bad("end must not be before start")
    return Span(first, last)


def _bad(message: str) -> Refused:
    return Refused(_BAD, BAD_REQUEST, message)
