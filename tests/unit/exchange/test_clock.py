"""The clock and the calendar: New York's time, faults, half days, settlement, and the end."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from tests.unit.exchange.builders import a_market, an_exchange, closed, opened
from tradewright.core.session import Calendar, Session, Span
from tradewright.data.calendars import market_calendar
from tradewright.exchange.account.clock import calendar, calendar_of, clock, clocks, settles
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused

THANKSGIVING = Span(date(2024, 11, 25), date(2024, 12, 6))


def over(days: Calendar) -> Exchange:
    """The test market with another calendar."""
    exchange = an_exchange(a_market())
    exchange.market.calendar = days
    return exchange


def rows(exchange: Exchange, **query: str) -> list[dict[str, str]]:
    return calendar(exchange, query)


def a_clock(exchange: Exchange, **query: str) -> dict[str, Any]:
    body: Any = clocks(exchange, query)
    return dict(body["clocks"][0])


def test_the_clock_is_the_markets_own() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    assert clock(exchange) == {
        "timestamp": "2024-01-03T09:30:00-05:00",
        "is_open": True,
        "next_open": "2024-01-04T09:30:00-05:00",
        "next_close": "2024-01-03T16:00:00-05:00",
    }
    exchange.advance(closed(1))
    after = clock(exchange)
    assert (after["is_open"], after["next_close"]) == (False, "2024-01-04T16:00:00-05:00")


def test_a_skewed_clock_and_a_market_that_says_it_is_closed() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    exchange.perform("skew", {"seconds": -5})
    exchange.perform("close_market", {"closed": True})
    body = clock(exchange)
    assert (body["timestamp"], body["is_open"]) == ("2024-01-03T09:29:55-05:00", False)
    assert body["next_close"] == "2024-01-04T16:00:00-05:00"


def test_beyond_the_end_of_the_calendar_weekdays_are_sessions() -> None:
    exchange = an_exchange()
    exchange.advance(closed(6))
    # The last session known is Wednesday the 10th.
    assert clock(exchange)["next_open"] == "2024-01-11T09:30:00-05:00"
    friday = Session(
        date(2024, 7, 5),
        datetime(2024, 7, 5, 13, 30, tzinfo=UTC),
        datetime(2024, 7, 5, 20, tzinfo=UTC),
    )
    exchange = over(Calendar("XNYS", (friday,)))
    exchange.market.now = friday.close
    body = clock(exchange)
    assert body["next_open"] == "2024-07-08T09:30:00-04:00"
    assert body["next_close"] == "2024-07-08T16:00:00-04:00"


def test_the_calendar_has_open_close_and_the_hours_around_them() -> None:
    exchange = over(market_calendar("XNYS", THANKSGIVING))
    days = {row["date"]: row for row in rows(exchange)}
    assert days["2024-11-27"] == {
        "date": "2024-11-27",
        "open": "09:30",
        "close": "16:00",
        "session_open": "0400",
        "session_close": "2000",
        # The 28th is a holiday.
        "settlement_date": "2024-11-29",
    }
    half = days["2024-11-29"]
    assert (half["close"], half["session_close"]) == ("13:00", "1700")


@pytest.mark.parametrize(
    ("query", "first", "last", "count"),
    [
        ({}, "2024-01-02", "2024-01-10", 7),
        ({"start": "2024-01-04"}, "2024-01-04", "2024-01-10", 5),
        ({"end": "2024-01-04"}, "2024-01-02", "2024-01-04", 3),
        ({"start": "2024-01-05T00:00:00Z", "end": "2024-01-08"}, "2024-01-05", "2024-01-08", 2),
        (
            {"date_type": "SETTLEMENT", "start": "2024-01-05", "end": "2024-01-08"},
            "2024-01-03",
            "2024-01-04",
            2,
        ),
    ],
)
def test_the_calendar_between_dates(
    query: dict[str, str], first: str, last: str, count: int
) -> None:
    found = rows(an_exchange(), **query)
    assert (found[0]["date"], found[-1]["date"], len(found)) == (first, last, count)


def test_dates_far_away_have_no_sessions() -> None:
    exchange = an_exchange()
    assert rows(exchange, start="2030-01-01", end="9999-12-31") == []
    assert rows(exchange, start="0001-01-01", end="0001-02-01", date_type="SETTLEMENT") == []
    assert rows(exchange, start="2030-01-01") == []
    assert rows(over(Calendar("XNYS", ()))) == []


@pytest.mark.parametrize(
    ("start", "day", "settlement"),
    [
        (date(2017, 9, 1), date(2017, 9, 1), date(2017, 9, 7)),
        (date(2024, 5, 20), date(2024, 5, 24), date(2024, 5, 29)),
        (date(2024, 5, 20), date(2024, 5, 28), date(2024, 5, 29)),
    ],
)
def test_settlement_follows_the_rule_of_its_time(start: date, day: date, settlement: date) -> None:
    days = market_calendar("XNYS", Span(start, start + timedelta(days=20)))
    assert settles(days, days.session_on(day)) == settlement


@pytest.mark.parametrize(
    ("at", "phase", "until", "market_day"),
    [
        ("2024-11-27T03:00:00-05:00", "closed", "2024-11-27T04:00:00-05:00", True),
        ("2024-11-27T04:00:00-05:00", "pre", "2024-11-27T09:30:00-05:00", True),
        ("2024-11-27T12:00:00-05:00", "core", "2024-11-27T16:00:00-05:00", True),
        ("2024-11-27T16:00:00-05:00", "post", "2024-11-27T20:00:00-05:00", True),
        ("2024-11-27T21:00:00-05:00", "closed", "2024-11-29T04:00:00-05:00", True),
        ("2024-11-28T12:00:00-05:00", "closed", "2024-11-29T04:00:00-05:00", False),
        ("2024-11-29T14:00:00-05:00", "post", "2024-11-29T17:00:00-05:00", True),
    ],
)
def test_the_phases_of_a_day(at: str, phase: str, until: str, market_day: bool) -> None:
    body = a_clock(over(market_calendar("XNYS", THANKSGIVING)), time=at)
    assert (body["phase"], body["phase_until"]) == (phase, until)
    assert (body["timestamp"], body["is_market_day"]) == (at, market_day)


def test_the_clock_of_several_markets() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    body: Any = clocks(exchange, {"markets": "XNYS,NASDAQ"})
    assert [row["market"]["mic"] for row in body["clocks"]] == ["XNYS", "XNAS"]
    first = body["clocks"][0]
    assert first["next_market_open"] == "2024-01-04T09:30:00-05:00"
    assert first["next_market_close"] == "2024-01-03T16:00:00-05:00"


def test_the_calendar_of_a_market_has_its_phases() -> None:
    exchange = over(market_calendar("XNYS", THANKSGIVING))
    query = {"start": "2024-11-29", "end": "2024-11-29"}
    body: Any = calendar_of(exchange, "NYSE", query)
    (day,) = body["calendar"]
    assert day["pre_start"] == "2024-11-29T04:00:00-05:00"
    assert day["core_end"] == day["post_start"] == "2024-11-29T13:00:00-05:00"
    universal: Any = calendar_of(exchange, "NYSE", {**query, "timezone": "UTC"})
    assert universal["calendar"][0]["core_start"] == "2024-11-29T14:30:00+00:00"
    week: Any = calendar_of(an_exchange(), "XNAS", {})
    assert [row["date"] for row in week["calendar"]][:2] == ["2024-01-02", "2024-01-03"]


@pytest.mark.parametrize(
    "query",
    [
        {"start": "soon"},
        {"start": "2024-01-05", "end": "2024-01-03"},
        {"date_type": "BOTH"},
        {"date_type": "SETTLEMENT", "start": "2024-01-05", "end": "2024-01-03"},
    ],
)
def test_a_calendar_that_cannot_be_is_a_bad_request(query: dict[str, str]) -> None:
    with pytest.raises(Refused) as refused:
        rows(an_exchange(), **query)
    assert (refused.value.status, refused.value.code) == (400, 40010000)


def test_markets_and_zones_that_are_not_here() -> None:
    exchange = an_exchange()
    with pytest.raises(Refused, match="invalid market: XLON"):
        clocks(exchange, {"markets": "XLON"})
    with pytest.raises(Refused, match="invalid timezone: Mars"):
        calendar_of(exchange, "NYSE", {"timezone": "Mars"})
    with pytest.raises(Refused, match="invalid time: soon"):
        clocks(exchange, {"time": "soon"})
