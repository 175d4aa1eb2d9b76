"""A market is open from its open up to, not including, its close, and unknown beyond its ends."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.builders import a_calendar, sessions
from tradewright.core.errors import InvalidInput, MissingData
from tradewright.core.session import Calendar, Session, Span, Timeframe

TICK = timedelta(microseconds=1)
TUESDAY, WEDNESDAY, THURSDAY, FRIDAY, MONDAY = sessions(5)
WEEK = a_calendar(5)


@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        (TUESDAY.open, True),
        (TUESDAY.close - TICK, True),
        (TUESDAY.close, False),
        (WEDNESDAY.open - TICK, False),
        (WEDNESDAY.open, True),
        (FRIDAY.close + timedelta(days=1), False),
        (MONDAY.close - TICK, True),
    ],
)
def test_the_open_is_inside_and_the_close_is_not(at: datetime, is_open: bool) -> None:
    assert WEEK.is_open(at) is is_open
    assert (WEEK.session_at(at) is not None) is is_open


@pytest.mark.parametrize("at", [TUESDAY.open - TICK, MONDAY.close, MONDAY.close + TICK])
def test_beyond_what_is_known_nothing_is_said(at: datetime) -> None:
    with pytest.raises(MissingData, match=r"2024-01-02\.\.2024-01-08.*load a calendar"):
        WEEK.is_open(at)


def test_a_calendar_without_sessions_knows_nothing() -> None:
    with pytest.raises(MissingData, match="nothing"):
        Calendar("EMPTY", ()).is_open(TUESDAY.open)


@pytest.mark.parametrize(
    ("at", "following"),
    [
        (TUESDAY.open - timedelta(days=9), TUESDAY),
        (TUESDAY.open - TICK, TUESDAY),
        (TUESDAY.open, WEDNESDAY),
        (FRIDAY.close, MONDAY),
    ],
)
def test_the_next_session_opens_later(at: datetime, following: Session) -> None:
    assert WEEK.next_session(at) == following


def test_no_session_follows_the_last() -> None:
    with pytest.raises(MissingData):
        WEEK.next_session(MONDAY.open)


def test_a_session_is_found_by_its_date() -> None:
    assert WEEK.session_on(FRIDAY.date) == FRIDAY


@pytest.mark.parametrize("day", [date(2024, 1, 1), date(2024, 1, 6), date(2024, 1, 9)])
def test_a_date_without_a_session_is_missing(day: date) -> None:
    with pytest.raises(MissingData, match=f"no session on {day}"):
        WEEK.session_on(day)


def test_counting_sessions_leaves_out_weekends() -> None:
    assert WEEK.after(FRIDAY) == MONDAY
    assert WEEK.after(MONDAY, -1) == FRIDAY
    assert WEEK.after(TUESDAY, 4) == MONDAY


@pytest.mark.parametrize(("session", "count"), [(MONDAY, 1), (TUESDAY, -1)])
def test_counting_past_the_ends_is_an_error(session: Session, count: int) -> None:
    with pytest.raises(MissingData):
        WEEK.after(session, count)


def test_a_span_includes_both_ends() -> None:
    assert WEEK.within(Span(WEDNESDAY.date, FRIDAY.date)) == (WEDNESDAY, THURSDAY, FRIDAY)
    assert WEEK.within(Span(date(2024, 1, 6), date(2024, 1, 7))) == ()
    assert WEDNESDAY.date in Span(WEDNESDAY.date, WEDNESDAY.date)
    assert MONDAY.date not in Span(TUESDAY.date, FRIDAY.date)


def test_a_span_does_not_end_before_it_starts() -> None:
    with pytest.raises(InvalidInput, match="ends before it starts"):
        Span(date(2024, 1, 2), date(2024, 1, 1))


@pytest.mark.parametrize("order", [(WEDNESDAY, TUESDAY), (TUESDAY, TUESDAY)])
def test_sessions_stand_in_order_of_date(order: tuple[Session, ...]) -> None:
    with pytest.raises(InvalidInput, match="not in order"):
        Calendar("BAD", order)


def test_a_session_after_midnight_utc_keeps_its_local_date() -> None:
    start = datetime(2024, 1, 3, 0, 30, tzinfo=UTC)
    night = Session(date(2024, 1, 2), start, start + timedelta(hours=6))
    assert Calendar("NIGHT", (night,)).session_at(start) == night


@pytest.mark.parametrize(
    ("timeframe", "seconds"),
    [(Timeframe.MINUTE, 60), (Timeframe.HOUR, 3600), (Timeframe.DAY, 86400)],
)
def test_lengths_of_bars(timeframe: Timeframe, seconds: int) -> None:
    assert timeframe.seconds == seconds
