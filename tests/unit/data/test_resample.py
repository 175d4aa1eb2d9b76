"""Longer bars: which rows they are made of, when they begin and when they have closed."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from tradewright.core.errors import InvalidInput
from tradewright.core.frames import BarFrame, from_nanos
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.resample import BarLength, Unit, buckets, merged
from tradewright.data.sample import sample_market

NEW_YORK = ZoneInfo("America/New_York")
CALENDAR = market_calendar("XNYS", Span(date(2014, 1, 1), date(2015, 12, 31)))


def frame(timeframe: Timeframe, first: date, sessions: int) -> BarFrame:
    found = sample_market(symbols=1, first=first, sessions=sessions, timeframe=timeframe)
    return found.frame


def local(nanos: int) -> str:
    return f"{from_nanos(nanos).astimezone(NEW_YORK):%Y-%m-%d %H:%M}"


def bars_of(bars: BarFrame, count: int, unit: Unit) -> list[tuple[str, str, int]]:
    """Of each longer bar its time, when it closes, and its number of rows."""
    into = buckets(bars, BarLength(count, unit), CALENDAR, NEW_YORK)
    at, first, rows = np.unique(into.at, return_index=True, return_counts=True)
    closes = into.closes[first]
    return [
        (local(a), local(c), n)
        for a, c, n in zip(at.tolist(), closes.tolist(), rows.tolist(), strict=True)
    ]


def test_minutes_end_with_the_session_on_a_half_day() -> None:
    # 3 July 2014 closed at 13:00.
    minutes = frame(Timeframe.MINUTE, date(2014, 7, 2), 2)
    hours = bars_of(minutes, 1, Unit.HOUR)
    assert hours[0] == ("2014-07-02 09:00", "2014-07-02 10:00", 30)
    assert hours[6] == ("2014-07-02 15:00", "2014-07-02 16:00", 60)
    assert [bar for bar in hours if bar[0].startswith("2014-07-03")][-1] == (
        "2014-07-03 12:00",
        "2014-07-03 13:00",
        60,
    )
    odd = bars_of(minutes, 45, Unit.MINUTE)
    # From midnight on: 09:00, 09:45, … 12:45; the day begins anew.
    assert odd[0] == ("2014-07-02 09:00", "2014-07-02 09:45", 15)
    assert odd[-1] == ("2014-07-03 12:45", "2014-07-03 13:00", 15)


def test_days_begin_at_local_midnight_on_both_sides_of_a_clock_change() -> None:
    days = frame(Timeframe.MINUTE, date(2014, 3, 7), 2)
    found = buckets(days, BarLength(1, Unit.DAY), CALENDAR, NEW_YORK)
    hours = sorted({from_nanos(at).hour for at in found.at.tolist()})
    assert hours == [4, 5]
    assert bars_of(days, 1, Unit.DAY) == [
        ("2014-03-07 00:00", "2014-03-07 16:00", 390),
        ("2014-03-10 00:00", "2014-03-10 16:00", 390),
    ]


def test_weeks_and_months_close_with_their_last_session() -> None:
    days = frame(Timeframe.DAY, date(2014, 7, 1), 25)
    weeks = bars_of(days, 1, Unit.WEEK)
    # Friday the 4th was a holiday and the 3rd a half day.
    assert weeks[0] == ("2014-06-30 00:00", "2014-07-03 13:00", 3)
    assert weeks[1] == ("2014-07-07 00:00", "2014-07-11 16:00", 5)
    # The data ends on a Tuesday, the week on a Friday.
    assert weeks[-1] == ("2014-08-04 00:00", "2014-08-08 16:00", 2)
    assert bars_of(days, 1, Unit.MONTH) == [
        ("2014-07-01 00:00", "2014-07-31 16:00", 22),
        ("2014-08-01 00:00", "2014-08-29 16:00", 3),
    ]
    assert bars_of(days, 3, Unit.MONTH) == [("2014-07-01 00:00", "2014-09-30 16:00", 25)]
    assert bars_of(days, 12, Unit.MONTH) == [("2014-01-01 00:00", "2014-12-31 16:00", 25)]


def test_bars_are_merged_by_their_bucket() -> None:
    values = np.array(
        [
            [10.0, 11.0, 12.0],
            [15.0, 12.0, 13.0],
            [9.0, 8.0, 11.0],
            [11.0, 12.0, 12.5],
            [100.0, 200.0, 50.0],
        ]
    )
    found = merged(values, np.array([0, 0, 60]))
    assert found.values.T.tolist() == [[10, 15, 8, 12, 300], [12, 13, 11, 12.5, 50]]
    assert found.at.tolist() == [0, 60]
    assert (found.first.tolist(), found.stop.tolist()) == ([0, 2], [2, 3])
    assert not len(merged(values[:, :0], np.zeros(0, dtype=np.int64)).at)


def test_nothing_finer_than_what_is_stored() -> None:
    hours = frame(Timeframe.HOUR, date(2014, 7, 1), 2)
    with pytest.raises(InvalidInput, match="finer than the stored bars of one hour"):
        buckets(hours, BarLength(59, Unit.MINUTE), CALENDAR, NEW_YORK)
    assert len(bars_of(hours, 2, Unit.HOUR)) == 2 * 4


@pytest.mark.parametrize(
    ("count", "unit"),
    [(0, Unit.MINUTE), (60, Unit.MINUTE), (24, Unit.HOUR), (2, Unit.DAY), (5, Unit.MONTH)],
)
def test_lengths_that_do_not_divide_a_day_or_a_year_are_none(count: int, unit: Unit) -> None:
    with pytest.raises(InvalidInput, match="is no length of a bar"):
        BarLength(count, unit)
