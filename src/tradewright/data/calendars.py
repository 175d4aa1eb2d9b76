"""Exchange calendars as core Sessions.

Sessions that the exchange has not announced yet follow from the rules for its holidays, so a
closure nobody foresaw (a storm, a day of mourning) is only in the past. The calendar library
takes a second or two to import, so it is imported when the first calendar is asked for.
"""

from __future__ import annotations

import warnings
from datetime import date, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tradewright.core.errors import MissingData, UnknownName
from tradewright.core.frames import from_nanos
from tradewright.core.session import Calendar, Session, Span

if TYPE_CHECKING:
    from collections.abc import Iterator

_FIRST = date(1990, 1, 1)
_BEYOND = timedelta(days=366)
# Any stretch that every calendar has: built only to ask how far the calendar reaches.
_PROBE = Span(date(2020, 3, 2), date(2020, 3, 31))


def market_calendar(name: str = "XNYS", span: Span | None = None) -> Calendar:
    """Return an exchange's sessions with their UTC opens, closes and early closes.

    Without a span they run from 1990 to about two years after today, or as far as is known.

    Raises:
        UnknownName: No exchange has this name.
        MissingData: The span reaches beyond what is known, or holds no session.
    """
    return _calendar(name, span)


@lru_cache(maxsize=32)
def _calendar(name: str, span: Span | None) -> Calendar:
    # The library's own use of pandas warns of pandas' next version; nothing here can change it.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return Calendar(name, tuple(_sessions(_source(name, span))))


# The library publishes no types.
def _source(name: str, span: Span | None) -> Any:  # noqa: ANN401
    import exchange_calendars  # noqa: PLC0415 - slow: see above

    known = exchange_calendars.get_calendar_names(include_aliases=True)
    if name not in known:
        raise UnknownName("calendar", name, known)
    wanted = _all_of(exchange_calendars, name) if span is None else span
    try:
        return exchange_calendars.get_calendar(name, start=wanted.start, end=wanted.end)
    except (ValueError, exchange_calendars.errors.NoSessionsError) as error:
        raise MissingData(f"calendar {name}", f"has no {wanted.start}..{wanted.end}") from error


def _all_of(library: Any, name: str) -> Span:  # noqa: ANN401
    source = library.get_calendar(name, start=_PROBE.start, end=_PROBE.end)
    earliest, latest = source.bound_min(), source.bound_max()
    end = source.default_end().date() + _BEYOND
    return Span(
        _FIRST if earliest is None else max(_FIRST, earliest.date()),
        end if latest is None else min(end, latest.date()),
    )


def _sessions(source: Any) -> Iterator[Session]:  # noqa: ANN401
    days = source.sessions.to_numpy().astype("datetime64[D]")
    early = np.isin(days, source.early_closes.to_numpy().astype("datetime64[D]")).tolist()
    opens, closes = source.opens_nanos.tolist(), source.closes_nanos.tolist()
    for day, opened, closed, is_early in zip(days.tolist(), opens, closes, early, strict=True):
        yield Session(day, from_nanos(opened), from_nanos(closed), early_close=is_early)
