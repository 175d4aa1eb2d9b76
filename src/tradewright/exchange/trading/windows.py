"""Times of an order's day, in New York: auction windows, extended hours, and when it runs out.

The vendor's windows are by the clock on the wall of New York and hold on every day of the week;
only what comes before a close moves with it on a half day.
"""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Final

from tradewright.core.errors import MissingData
from tradewright.core.orders import TimeInForce
from tradewright.core.session import Calendar, Session
from tradewright.exchange.words import FORBIDDEN, NEW_YORK, NOT_ALLOWED, Refused

_OPG: Final = TimeInForce.OPG
_CLS: Final = TimeInForce.CLS
_GTC: Final = TimeInForce.GTC
_EVENING: Final = time(19, 0)
_LAST_FOR_OPEN: Final = time(9, 28)
_BEFORE_CLOSE: Final = timedelta(minutes=10)
_USUAL_LAST_FOR_CLOSE: Final = time(15, 50)
_EARLY: Final = time(4, 0)
_LATE: Final = time(20, 0)
_AGED_AT: Final = time(16, 15)
_AGE: Final = timedelta(days=90)


def keep_window(force: TimeInForce, at: datetime, calendar: Calendar) -> None:
    """Refuse an order for an auction whose time has passed and whose next is not yet taken."""
    if force is _OPG:
        last, name = _LAST_FOR_OPEN, "9:28am"
    elif force is _CLS:
        last = _last_for_close(at, calendar)
        name = f"{last.hour % 12 or 12}:{last.minute:02d}pm"
    else:
        return
    if last <= at.astimezone(NEW_YORK).time() < _EVENING:
        message = f"{force} orders must be submitted after 7:00pm and before {name}"
        raise Refused(FORBIDDEN, NOT_ALLOWED, message)


def extends(at: datetime, calendar: Calendar) -> bool:
    """Say whether the sessions before and after the regular one are on (or the regular one)."""
    local = at.astimezone(NEW_YORK)
    return _EARLY <= local.time() < _LATE and _session(local, calendar) is not None


def runs_out(
    force: TimeInForce, at: datetime, session: Session | None, calendar: Calendar, *, extended: bool
) -> datetime | None:
    """Return when an order that is taken at `at` runs out; None beyond the calendar.

    `session` is the one that is open; without it the order is for the next. What is good until
    canceled is so for 90 days.
    """
    if force is _GTC:
        day = at.astimezone(NEW_YORK).date() + _AGE
        return datetime.combine(day, _AGED_AT, NEW_YORK).astimezone(UTC)
    if extended:
        late = _end_of_extended(at, calendar)
        if late is not None:
            return late
    if session is None or session.close <= at:
        try:
            session = calendar.next_session(at)
        except MissingData:
            return None
    if extended:
        return datetime.combine(session.date, _LATE, NEW_YORK).astimezone(UTC)
    return session.close


def extended_start(at: datetime, calendar: Calendar) -> datetime | None:
    """Return when the next session's early hours begin; None beyond the calendar."""
    try:
        session = calendar.next_session(at)
    except MissingData:
        return None
    return datetime.combine(session.date, _EARLY, NEW_YORK).astimezone(UTC)


def _end_of_extended(at: datetime, calendar: Calendar) -> datetime | None:
    local = at.astimezone(NEW_YORK)
    if local.time() >= _LATE or _session(local, calendar) is None:
        return None
    return datetime.combine(local.date(), _LATE, NEW_YORK).astimezone(UTC)


def _last_for_close(at: datetime, calendar: Calendar) -> time:
    session = _session(at.astimezone(NEW_YORK), calendar)
    if session is None:
        return _USUAL_LAST_FOR_CLOSE
    return (session.close - _BEFORE_CLOSE).astimezone(NEW_YORK).time()


def _session(local: datetime, calendar: Calendar) -> Session | None:
    try:
        return calendar.session_on(local.date())
    except MissingData:
        return None
