"""What the tape prints of bars, of quote bars and of nothing; it never contradicts itself."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.architecture.tree import ROOT
from tests.builders import AAA, BBB, NO_BAR, Row, a_market
from tradewright.adapters.lean import LeanStore
from tradewright.adapters.lean.quotes import read_quotes
from tradewright.core.frames import BarFrame, from_nanos, to_nanos
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Quote, Trade
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.history import MarketData
from tradewright.data.quotes import QuoteBars
from tradewright.exchange.market.prints import CLOSING, OPENING, SpreadModel
from tradewright.exchange.market.tape import Tape

LEAN = ROOT.parent / "shared" / "data" / "lean"
MINUTES = 13
SECOND = timedelta(seconds=1)
INSTANT = timedelta(microseconds=1)


@st.composite
def bar_rows(draw: st.DrawFn) -> Row:
    """A bar in cents, or in hundredths of them below a dollar, of any whole volume."""
    scale = draw(st.sampled_from([100, 10_000]))
    most = 100_000 if scale == 100 else scale - 1
    low = draw(st.integers(1 if scale == 10_000 else 100, most))
    high = draw(st.integers(low, min(low + 500, most + 500)))
    opened, closed = (draw(st.integers(low, high)) for _ in range(2))
    volume = draw(st.one_of(st.integers(0, 20), st.integers(0, 10_000_000)))
    prices = [value / scale for value in (opened, high, low, closed)]
    return (*prices, float(volume))  # type: ignore[return-value]


several_bars = st.lists(st.one_of(bar_rows(), st.just(NO_BAR)), min_size=1, max_size=2 * MINUTES)


def whole(frame: BarFrame) -> tuple[datetime, datetime]:
    return from_nanos(int(frame.start[0])) - SECOND, from_nanos(int(frame.end[-1]))


def printed(
    tape: Tape, row: int, instrument: InstrumentId = AAA
) -> tuple[list[Trade], list[Quote]]:
    frame = tape.data.frame
    span = (frame.started(row) - INSTANT, from_nanos(int(frame.end[row])) - INSTANT)
    return list(tape.trades(instrument, *span)), list(tape.quotes(instrument, *span))


@given(bar_rows())
def test_a_bar_is_the_sum_of_its_trades(bar: Row) -> None:
    tape = Tape(a_market({"AAA": [bar]}, per_session=MINUTES))
    trades, quotes = printed(tape, 0)
    opened, high, low, closed, volume = bar
    assert sum(trade.size for trade in trades) == Decimal(repr(volume))
    assert all(trade.size > 0 for trade in trades)
    assert all(low <= float(trade.price) <= high for trade in trades)
    if volume >= 4:
        prices = [float(trade.price) for trade in trades]
        assert (prices[0], max(prices), min(prices), prices[-1]) == (opened, high, low, closed)
    start, end = tape.data.frame.started(0), from_nanos(int(tape.data.frame.end[0]))
    times = [trade.at for trade in trades]
    assert all(start < at < end for at in times)
    assert times == sorted(set(times))
    assert len(quotes) == 7
    assert quotes[0].at == start
    assert all(start <= quote.at < end for quote in quotes)
    assert all(0 < quote.bid < quote.ask for quote in quotes)
    assert all(quote.bid_size >= 100 and quote.ask_size >= 100 for quote in quotes)


@given(several_bars, st.lists(st.floats(0, 1), max_size=4))
def test_stretches_of_time_partition_what_is_printed(
    bars: list[Row], fractions: list[float]
) -> None:
    tape = Tape(a_market({"AAA": bars}, per_session=MINUTES))
    first, last = whole(tape.data.frame)
    cuts = [first, *sorted(first + (last - first) * part for part in fractions), last]
    pairs = list(pairwise(cuts))
    assert [q for pair in pairs for q in tape.quotes(AAA, *pair)] == tape.quotes(AAA, first, last)
    assert [t for pair in pairs for t in tape.trades(AAA, *pair)] == tape.trades(AAA, first, last)
    for at in cuts:
        assert tape.quote(AAA, at) == next(iter(reversed(tape.quotes(AAA, first, at))), None)
        assert tape.trade(AAA, at) == next(iter(reversed(tape.trades(AAA, first, at))), None)


@given(several_bars)
def test_the_same_bars_print_the_same_in_whatever_order_they_are_asked_for(
    bars: list[Row],
) -> None:
    data = a_market({"AAA": bars, "BBB": bars}, per_session=MINUTES)
    one, other = Tape(data), Tape(data)
    span = whole(data.frame)
    later = [other.trade(BBB, at) for at in reversed(span)]
    assert later == [one.trade(BBB, at) for at in reversed(span)]
    for name in (BBB, AAA):
        assert one.quotes(name, *span) == other.quotes(name, *span)
        assert one.trades(name, *span) == other.trades(name, *span)


def test_where_nothing_traded_nothing_is_printed_and_the_last_quote_stands() -> None:
    bar: Row = (100.0, 101.0, 99.0, 100.5, 7_000.0)
    tape = Tape(a_market({"AAA": [NO_BAR, bar, NO_BAR], "BBB": [bar] * 3}, per_session=3))
    frame = tape.data.frame
    assert printed(tape, 0) == ([], [])
    assert printed(tape, 2) == ([], [])
    assert tape.quote(AAA, frame.started(1) - SECOND) is None
    assert tape.trade(AAA, frame.started(1)) is None
    last = printed(tape, 1)
    assert tape.quote(AAA, from_nanos(int(frame.end[2]))) == last[1][-1]
    assert tape.trade(AAA, from_nanos(int(frame.end[2]))) == last[0][-1]


def test_what_is_not_in_the_data_has_no_prints() -> None:
    tape = Tape(a_market({"AAA": [(1.0, 1.0, 1.0, 1.0, 10.0)]}))
    unknown = InstrumentId("ZZZ")
    span = whole(tape.data.frame)
    assert tape.quote(unknown, span[1]) is None
    assert tape.trade(unknown, span[1]) is None
    assert not tape.quotes(unknown, *span)
    assert not tape.trades(unknown, *span)


def test_a_falling_bar_visits_its_high_first() -> None:
    falling: Row = (100.0, 102.0, 97.0, 98.0, 1_000.0)
    rising: Row = (98.0, 102.0, 97.0, 100.0, 1_000.0)
    tape = Tape(a_market({"AAA": [falling, rising]}, per_session=2))
    assert [float(t.price) for t in printed(tape, 0)[0]] == [100, 101, 102, 99.5, 97, 97.5, 98]
    assert [float(t.price) for t in printed(tape, 1)[0]] == [98, 97.5, 97, 99.5, 102, 101, 100]


def test_the_spread_is_in_basis_points_and_at_least_a_tick_each_way() -> None:
    bar: Row = (200.0, 200.0, 200.0, 200.0, 1_000_000.0)
    data = a_market({"AAA": [bar], "BBB": [(0.5, 0.5, 0.5, 0.5, 100.0)]})
    at = data.frame.started(0)
    wide, narrow = Tape(data, spread=SpreadModel(half_spread_bps=10)), Tape(data)
    quote = wide.quote(AAA, at)
    assert quote is not None
    assert (quote.bid, quote.ask) == (Decimal("199.8"), Decimal("200.2"))
    # 2 % of a million shares, give or take half.
    assert 10_000 <= quote.bid_size < 30_000
    quote = narrow.quote(AAA, at)
    assert quote is not None
    assert (quote.bid, quote.ask) == (Decimal("199.98"), Decimal("200.02"))
    quote = narrow.quote(BBB, at)
    assert quote is not None
    assert (quote.bid, quote.ask) == (Decimal("0.4999"), Decimal("0.5001"))


def test_the_first_and_last_trade_of_a_session_are_marked() -> None:
    bar: Row = (100.0, 101.0, 99.0, 100.5, 7_000.0)
    tape = Tape(a_market({"AAA": [bar] * 4, "BBB": [NO_BAR, bar, bar, bar]}, per_session=2))
    frame = tape.data.frame
    columns = tape.trade_columns(AAA, int(frame.start[0]) - 1, int(frame.end[-1]))
    one = [OPENING, *[0] * 12, CLOSING]
    assert columns.mark.tolist() == one + one
    # Whose first trade is not the session's was not in the opening auction.
    columns = tape.trade_columns(BBB, int(frame.start[0]) - 1, int(frame.end[1]))
    assert columns.mark.tolist() == [*[0] * 6, CLOSING]


def test_quote_bars_take_the_place_of_the_model_where_there_are_any() -> None:
    bar: Row = (100.0, 101.0, 99.0, 100.5, 7_000.0)
    data = a_market({"AAA": [bar] * 3}, per_session=390)
    frame = data.frame
    bid = np.array([[99.9], [100.8], [98.5], [100.2], [300.0]])
    ask = np.array([[100.1], [101.3], [98.4], [100.7], [200.0]])
    quotes = QuoteBars(frame.start[1:2], frame.end[1:2], bid, ask)
    tape = Tape(data, {AAA: quotes})
    assert printed(tape, 0)[1] == printed(Tape(data), 0)[1]
    assert printed(tape, 2)[1] == printed(Tape(data), 2)[1]
    found = printed(tape, 1)[1]
    assert [(float(q.bid), float(q.ask)) for q in (found[0], found[-1])] == [
        (99.9, 100.1),
        (100.2, 100.7),
    ]
    # The lows were not there together: the bid gives way, and meets the ask.
    assert (found[2].bid, found[2].ask) == (Decimal("98.4"), Decimal("98.4"))
    assert all(quote.bid <= quote.ask for quote in found)
    assert {(quote.bid_size, quote.ask_size) for quote in found} == {(Decimal(300), Decimal(200))}
    assert found[0].at == frame.started(1)


def test_stretches_cut_time_at_borders_and_lose_nothing() -> None:
    bars: list[Row] = [(100.0, 100.0, 100.0, 100.0, 70.0)] * 1200
    tape = Tape(a_market({"AAA": bars}, per_session=600))
    span = tuple(map(to_nanos, whole(tape.data.frame)))
    parts = list(tape.stretches(span[0], span[1]))
    assert len(parts) == 3
    assert (parts[0][0], parts[-1][1]) == span
    assert [end for _, end in parts[:-1]] == [begin for begin, _ in parts[1:]]
    counts = [len(tape.trade_columns(AAA, *part).at) for part in parts]
    assert sum(counts) == 7 * 1200
    assert max(counts) == 7 * 512


@pytest.mark.skipif(not LEAN.is_dir(), reason="allowed: ../shared/data/lean is not on this machine")
def test_a_real_day_of_quote_bars() -> None:
    spy, day = InstrumentId("SPY"), date(2013, 10, 7)
    store, span = LeanStore(LEAN), Span(day, day)
    frame = store.read([spy], Timeframe.MINUTE, span)
    instruments = {i.id: i for i in store.instruments() if i.id == spy}
    data = MarketData(frame, instruments, (), market_calendar("XNYS"), "lean")
    bars = read_quotes(LEAN, [spy], span)
    tape = Tape(data, bars)
    session = frame.sessions[0]
    quotes = tape.quotes(spy, session.open - timedelta(hours=8), session.close - INSTANT)
    assert len(quotes) == 7 * int((bars[spy].end <= int(frame.end[-1])).sum())
    assert all(0 < quote.bid <= quote.ask for quote in quotes)
    trades = tape.trades(spy, session.open - SECOND, session.close)
    assert sum(trade.size for trade in trades) == Decimal(int(frame.volume.sum()))
    # The trade of a minute and the quote that stands with it come from different files.
    apart = [
        float(max(quote.bid - trade.price, trade.price - quote.ask, Decimal(0)))
        for trade in trades
        if (quote := tape.quote(spy, trade.at)) is not None
    ]
    assert len(apart) == len(trades)
    assert float(np.mean(apart)) < 0.02
