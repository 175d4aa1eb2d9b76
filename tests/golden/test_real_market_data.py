"""Real bars and corporate actions, read off LEAN's public sample files by other means.

Prices were copied from the unpacked files; splits and dividends are the announced ones.
"""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tests.architecture.tree import ROOT
from tradewright.adapters.lean import LeanStore
from tradewright.core.frames import BarFrame
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, Split
from tradewright.core.session import Span, Timeframe
from tradewright.data.adjust import growth
from tradewright.data.calendars import market_calendar
from tradewright.data.quality import Rule, inspect

LEAN = ROOT.parent / "shared" / "data" / "lean"
pytestmark = pytest.mark.skipif(
    not LEAN.is_dir(), reason="allowed: ../shared/data/lean is not on this machine"
)


def ids(*symbols: str) -> list[InstrumentId]:
    return [InstrumentId(symbol) for symbol in symbols]


@pytest.fixture(scope="module")
def store() -> LeanStore:
    return LeanStore(LEAN)


@pytest.fixture(scope="module")
def daily(store: LeanStore) -> BarFrame:
    return store.read([i.id for i in store.instruments()], Timeframe.DAY)


def row_of(frame: BarFrame, day: date) -> int:
    return next(i for i in range(len(frame)) if frame.session_of(i).date == day)


def bar(frame: BarFrame, symbol: str, day: date) -> tuple[float, ...]:
    row, column = row_of(frame, day), frame.index(InstrumentId(symbol))
    return tuple(
        float(getattr(frame, name)[row, column])
        for name in ("open", "high", "low", "close", "volume")
    )


@pytest.mark.parametrize(
    ("symbol", "day", "expected"),
    [
        ("SPY", date(2013, 10, 8), (167.45, 167.62, 165.37, 165.48, 153859703)),
        ("SPY", date(1998, 1, 2), (97.31, 97.53, 96.53, 97.36, 2150000)),
        ("AAPL", date(2014, 6, 6), (650.0, 651.25, 644.48, 645.57, 12116671)),
        ("AAPL", date(2014, 6, 9), (92.69, 93.88, 91.75, 93.7, 72875948)),
        ("AAPL", date(2020, 8, 28), (504.0, 505.77, 498.31, 499.23, 44109029)),
        ("AAPL", date(2020, 8, 31), (127.67, 131.0, 126.25, 129.04, 210024091)),
        ("GOOGL", date(2004, 8, 19), (135.91, 140.93, 94.54, 100.37, 23200275)),
        ("GOOGL", date(2014, 4, 3), (573.39, 588.3, 566.02, 571.5, 3966397)),
        ("QQQ", date(1999, 3, 10), (102.25, 102.31, 100.56, 101.94, 2632800)),
    ],
)
def test_bars_of_a_day(
    daily: BarFrame, symbol: str, day: date, expected: tuple[float, ...]
) -> None:
    assert bar(daily, symbol, day) == expected


def test_rows_and_bars_are_as_many_as_the_files_hold(daily: BarFrame) -> None:
    assert len(daily) == 5849
    assert (daily.sessions[0].date, daily.sessions[-1].date) == (
        date(1998, 1, 2),
        date(2021, 3, 31),
    )
    bars = dict(zip(daily.instruments, (~np.isnan(daily.close)).sum(axis=0).tolist(), strict=True))
    assert bars["SPY"] == bars["AAPL"] == bars["IBM"] == 5849
    # The file goog.zip was Google's until 2014-04-02, the class C shares' from then on.
    assert (bars["GOOGL"], bars["GOOG"]) == (4183, 1761)
    assert bars["QQQ"] == 3964


def test_every_number_is_the_files(daily: BarFrame) -> None:
    with zipfile.ZipFile(LEAN / "equity/usa/daily/spy.zip") as archive:
        lines = archive.read("spy.csv").decode().splitlines()
    fields = np.array([line.split(",")[1:] for line in lines], dtype=np.float64)
    column = daily.index(InstrumentId("SPY"))
    for place, name in enumerate(("open", "high", "low", "close")):
        assert np.array_equal(getattr(daily, name)[:, column], fields[:, place] / 10_000)
    assert np.array_equal(daily.volume[:, column], fields[:, 4])


@pytest.mark.parametrize(
    ("symbol", "first", "last"),
    [
        ("FB", date(2012, 5, 18), date(2021, 3, 31)),
        ("EEM", date(2003, 4, 11), date(2021, 3, 31)),
        ("BAC", date(1998, 10, 1), date(2021, 3, 31)),
        ("GOOG", date(2014, 4, 3), date(2021, 3, 31)),
    ],
)
def test_rows_of_the_tickers_former_owners_are_not_read(
    daily: BarFrame, symbol: str, first: date, last: date
) -> None:
    rows = np.flatnonzero(~np.isnan(daily.close[:, daily.index(InstrumentId(symbol))]))
    assert daily.session_of(int(rows[0])).date == first
    assert daily.session_of(int(rows[-1])).date == last


def test_google_goes_on_through_its_renaming(daily: BarFrame, store: LeanStore) -> None:
    column = daily.index(InstrumentId("GOOGL"))
    row = row_of(daily, date(2014, 4, 3))
    assert daily.close[row - 1, column] == 1135.1
    total = growth(daily, store.actions(ids("GOOGL")))[:, column]
    move = daily.close[row, column] * total[row] / (daily.close[row - 1, column] * total[row - 1])
    assert move == pytest.approx(2 * 571.5 / 1135.1)


def test_years_under_a_ticker_without_a_file_are_a_gap(daily: BarFrame, store: LeanStore) -> None:
    (gap,) = inspect(daily.columns(ids("QQQ")), actions=store.actions(ids("QQQ"))).findings
    assert (gap.rule, gap.at.date(), gap.value) == (Rule.MISSING_SESSIONS, date(2004, 12, 1), 1588)


@pytest.mark.parametrize(
    ("symbol", "day", "ratio"),
    [
        ("AAPL", date(2000, 6, 21), Fraction(2)),
        ("AAPL", date(2005, 2, 28), Fraction(2)),
        ("AAPL", date(2014, 6, 9), Fraction(7)),
        ("AAPL", date(2020, 8, 31), Fraction(4)),
        ("EEM", date(2005, 6, 9), Fraction(3)),
        ("EEM", date(2008, 7, 24), Fraction(3)),
        ("GOOGL", date(2014, 4, 3), Fraction(2)),
        ("IBM", date(1999, 5, 27), Fraction(2)),
        ("BAC", date(2004, 8, 30), Fraction(2)),
    ],
)
def test_splits_are_the_announced_ratios(
    store: LeanStore, symbol: str, day: date, ratio: Fraction
) -> None:
    splits = [a for a in store.actions(ids(symbol)) if isinstance(a, Split)]
    assert Split(InstrumentId(symbol), day, ratio) in splits


def test_stock_dividend_is_a_ratio_within_the_files_precision(store: LeanStore) -> None:
    (split,) = store.actions(ids("GOOG"))
    assert isinstance(split, Split)
    assert split.ex_date == date(2015, 4, 27)
    assert float(split.ratio) == pytest.approx(1 / 0.997307, abs=6e-7)


@pytest.mark.parametrize(
    ("symbol", "day", "amount"),
    [
        ("AAPL", date(2012, 8, 9), "2.65"),
        ("AAPL", date(2012, 11, 7), "2.65"),
        ("AAPL", date(2014, 5, 8), "3.29"),
        ("AAPL", date(2014, 8, 7), "0.47"),
        ("AAPL", date(2020, 8, 7), "0.82"),
        ("AAPL", date(2020, 11, 6), "0.205"),
        ("SPY", date(2018, 12, 21), "1.4354"),
        ("SPY", date(2020, 9, 18), "1.3392"),
        ("IBM", date(2020, 8, 7), "1.63"),
        ("BAC", date(2020, 9, 3), "0.18"),
    ],
)
def test_dividends_are_the_announced_amounts(
    store: LeanStore, symbol: str, day: date, amount: str
) -> None:
    paid = {a.ex_date: a.amount for a in store.actions(ids(symbol)) if isinstance(a, CashDividend)}
    assert paid[day] == Decimal(amount)


def test_dividend_is_the_files_where_it_differs_from_the_announced(store: LeanStore) -> None:
    # Published as 0.838; the file's factors were made with 0.84.
    paid = {a.ex_date: a.amount for a in store.actions(ids("SPY")) if isinstance(a, CashDividend)}
    assert paid[date(2013, 9, 20)] == Decimal("0.84")


def test_growth_is_what_the_factor_file_says(daily: BarFrame, store: LeanStore) -> None:
    # 0.8613657 and 0.00892857 are the first row's factors of AAPL.
    total = growth(daily, store.actions(ids("AAPL")))[-1, daily.index(InstrumentId("AAPL"))]
    assert total == pytest.approx(1 / (0.8613657 * 0.00892857), rel=2e-3)


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        (date(2013, 11, 29), (14, 30), (18, 0)),
        (date(2013, 11, 1), (13, 30), (20, 0)),
        (date(2013, 11, 4), (14, 30), (21, 0)),
        (date(2014, 3, 10), (13, 30), (20, 0)),
    ],
)
def test_hours_follow_daylight_saving_time_and_half_days(
    daily: BarFrame, day: date, opens: tuple[int, int], closes: tuple[int, int]
) -> None:
    row = row_of(daily, day)
    stamp = day.year, day.month, day.day
    assert daily.started(row) == datetime(*stamp, *opens, tzinfo=UTC)
    assert daily.known(row) == datetime(*stamp, *closes, tzinfo=UTC)


def test_whole_market_has_no_error_and_three_warnings(daily: BarFrame, store: LeanStore) -> None:
    actions = store.actions(daily.instruments)
    report = inspect(daily, calendar=market_calendar(), actions=actions)
    assert report.errors == ()
    # Apple fell by half on 2000-09-29; the file lacks a day of EEM after the 2003 blackout.
    assert [(f.rule.value, f.instrument) for f in report.findings] == [
        ("price_jump", "AAPL"),
        ("missing_sessions", "EEM"),
        ("missing_sessions", "QQQ"),
    ]


def test_hour_bars_fill_the_sessions(store: LeanStore) -> None:
    frame = store.read(ids("SPY"), Timeframe.HOUR, Span(date(2013, 11, 27), date(2013, 11, 29)))
    assert np.bincount(frame.session).tolist() == [7, 4]
    assert frame.row(0, 0) == frame.row(0, 0)
    assert f"{frame.started(0):%H:%M}-{frame.known(0):%H:%M}" == "14:30-15:00"
    assert f"{frame.known(len(frame) - 1):%H:%M}" == "18:00"


def test_minute_bars_of_a_day_are_the_regular_session(store: LeanStore) -> None:
    span = Span(date(2013, 10, 8), date(2013, 10, 8))
    frame = store.read(ids("SPY"), Timeframe.MINUTE, span)
    assert len(frame) == 390
    assert frame.started(0) == datetime(2013, 10, 8, 13, 30, tzinfo=UTC)
    assert frame.known(389) == datetime(2013, 10, 8, 20, 0, tzinfo=UTC)
    whole = LeanStore(LEAN, extended=True).read(ids("SPY"), Timeframe.MINUTE, span)
    assert len(whole) == 828
