from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tradewright.core.errors import MissingData, UnknownName
from tradewright.core.session import Span
from tradewright.data.calendars import market_calendar


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "opens", "closes", "early"),
    [
        # Eastern Standard Time is UTC-5, Daylight Time UTC-4.
        (date(2013, 10, 8), "2013-10-08T13:30", "2013-10-08T20:00", False),
        (date(2013, 11, 27), "2013-11-27T14:30", "2013-11-27T21:00", False),
        (date(2013, 11, 29), "2013-11-29T14:30", "2013-11-29T18:00", True),
        (date(1990, 1, 2), "1990-01-02T14:30", "1990-01-02T21:00", False),
    ],
)
def test_sessions_have_utc_hours(day: date, opens: str, closes: str, early: bool) -> None:
    session = market_calendar("XNYS").session_on(day)
    assert (session.open, session.close) == (utc(opens), utc(closes))
    assert session.early_close is early


def test_holiday_has_no_session() -> None:
    with pytest.raises(MissingData, match="no session on 2013-11-28"):
        market_calendar().session_on(date(2013, 11, 28))


def test_storm_closed_the_market_for_two_days() -> None:
    storm = market_calendar().within(Span(date(2012, 10, 26), date(2012, 10, 31)))
    assert [s.date.day for s in storm] == [26, 31]


def test_calendar_reaches_from_1990_far_ahead_of_the_past() -> None:
    sessions = market_calendar().sessions
    assert sessions[0].date == date(1990, 1, 2)
    assert sessions[-1].date > date(2027, 1, 1)


def test_market_that_never_closes_is_open_every_day() -> None:
    calendar = market_calendar("24/7", Span(date(2024, 2, 28), date(2024, 3, 1)))
    assert [s.date.day for s in calendar.sessions] == [28, 29, 1]
    assert all(s.close - s.open == timedelta(days=1) for s in calendar.sessions)
    assert not any(s.early_close for s in calendar.sessions)


def test_span_limits_the_calendar() -> None:
    span = Span(date(2024, 1, 1), date(2024, 1, 5))
    assert [s.date.day for s in market_calendar("XNYS", span).sessions] == [2, 3, 4, 5]


def test_default_name_is_the_same_object() -> None:
    assert market_calendar() is market_calendar("XNYS")


def test_unknown_name_lists_known_ones() -> None:
    with pytest.raises(UnknownName, match="'XXXX' is not known"):
        market_calendar("XXXX")


def test_span_without_session_is_missing() -> None:
    with pytest.raises(MissingData, match="XNYS"):
        market_calendar("XNYS", Span(date(2024, 1, 6), date(2024, 1, 7)))
