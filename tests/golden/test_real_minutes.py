"""Daily decisions filled on real minutes; every number was read off the unpacked files.

SPY and IBM have minutes of the week of 7 October 2013, AAPL of the days around its split of
9 June 2014, GOOG of the half day before Christmas of 2015.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.architecture.tree import ROOT
from tests.builders import Planned, a_venue_model, an_order
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.detail import DetailedVenue
from tradewright.bootstrap import load_detail, load_market
from tradewright.core.errors import MissingData, QualityFailure
from tradewright.core.events import Filled, OrderEvent
from tradewright.core.ids import InstrumentId, OrderId
from tradewright.core.money import Price
from tradewright.core.orders import Order, OrderKind, OrderStatus, Side, TimeInForce
from tradewright.core.session import Timeframe
from tradewright.data.detail import detailed
from tradewright.data.history import MarketData
from tradewright.engine.run import RunSpec, rows_of
from tradewright.execution.venue import SimulatedVenue
from tradewright.portfolio.construct import Construction
from tradewright.risk.limits import Limits

LEAN = ROOT.parent / "shared" / "data" / "lean"
SPY = InstrumentId("SPY")
BUY, SELL = Side.BUY, Side.SELL

pytestmark = pytest.mark.skipif(
    not LEAN.is_dir(), reason="allowed: ../shared/data/lean is not on this machine"
)


def a_spec(first: date, last: date, **changes: Any) -> RunSpec:
    facts: dict[str, Any] = {
        "limits": Limits(max_position_weight=Decimal(10)),
        "commission": "none",
        "slippage_bps": Decimal(0),
        "detail": Timeframe.MINUTE,
    }
    return RunSpec("planned", {}, first, last, Decimal(100_000), **(facts | changes))


def a_world(symbols: Sequence[str], spec: RunSpec) -> MarketData:
    return load_detail(LEAN, load_market(LEAN, symbols=symbols), spec)


def run(
    symbol: str, spec: RunSpec, plan: Mapping[date, float]
) -> tuple[Result, list[tuple[str, str, int, float]]]:
    strategy = Planned({day: {symbol: weight} for day, weight in plan.items()})
    result = Backtest(spec, a_world([symbol], spec), strategy=strategy).run()
    told = [
        (f"{fill.at:%m-%d %H:%M}", fill.side.value, int(fill.quantity), float(fill.price))
        for fill in result.fills
    ]
    return result, told


def test_an_order_works_through_the_minutes_by_their_volume() -> None:
    spec = a_spec(date(2013, 10, 8), date(2013, 10, 9), volume_share=Decimal("0.0005"))
    result, told = run("SPY", spec, {date(2013, 10, 7): 1.0})
    # 100,000 / 167.42 is 597 shares; of 525,757 and 416,648 shares, one in 2,000 are ours.
    assert told == [
        ("10-08 13:30", "buy", 262, 167.45),
        ("10-08 13:31", "buy", 208, 167.49),
        ("10-08 13:32", "buy", 127, 167.41),
    ]
    paid = 262 * Decimal("167.45") + 208 * Decimal("167.49") + 127 * Decimal("167.41")
    # The equity is at the daily closes, of 165.48 and 165.57.
    cash = 100_000 - paid
    closes = [cash + 597 * Decimal(close) for close in ("165.48", "165.57")]
    assert result.equity.tolist() == pytest.approx([100_000.0, *map(float, closes)], rel=1e-12)
    assert result.final_equity == closes[-1]


def test_the_daily_run_gets_all_of_it_at_the_open() -> None:
    spec = a_spec(date(2013, 10, 8), date(2013, 10, 9), volume_share=Decimal("0.0005"))
    strategy = Planned({date(2013, 10, 7): {"SPY": 1.0}})
    daily = replace(spec, detail=None)
    (fill,) = Backtest(daily, a_world(["SPY"], daily), strategy=strategy).run().fills
    assert (int(fill.quantity), float(fill.price)) == (597, 167.45)


def test_auctions_are_the_first_open_and_the_last_close() -> None:
    week = date(2013, 10, 8), date(2013, 10, 11)
    plan = {date(2013, 10, 7): 1.0, date(2013, 10, 9): 0.0}
    for force, first, second in (
        (TimeInForce.OPG, ("10-08 13:30", 167.45), ("10-10 13:30", 167.32)),
        (TimeInForce.CLS, ("10-08 20:00", 165.48), ("10-10 20:00", 169.24)),
    ):
        spec = a_spec(*week, construction=Construction(time_in_force=force))
        _, told = run("SPY", spec, plan)
        assert [(when, price) for when, _, _, price in told] == [first, second]


def bracket(limit: str, stop: str) -> tuple[Order, Order]:
    """The two ends of a bracket around a long position in SPY."""
    upper = an_order(SELL, kind=OrderKind.LIMIT, limit=limit, id=OrderId("limit"), instrument=SPY)
    return upper, replace(
        upper, id=OrderId("stop"), kind=OrderKind.STOP, limit=None, stop=Price(Decimal(stop))
    )


@pytest.mark.parametrize(
    ("day", "limit", "stop", "expected"),
    [
        # Up to 167.62 in the minute of 9:55, down to 165.97 in that of 12:25.
        (
            date(2013, 10, 8),
            "167.60",
            "166.00",
            [("limit", "13:56", 167.60), ("stop", "16:26", 166.00)],
        ),
        # Down to 164.97 in the minute of 10:59, up to 166.00 in that of 13:31.
        (
            date(2013, 10, 9),
            "166.00",
            "165.00",
            [("stop", "15:00", 165.00), ("limit", "17:32", 166.00)],
        ),
    ],
)
def test_stop_and_limit_in_the_order_in_which_the_day_touched_them(
    day: date, limit: str, stop: str, expected: list[tuple[str, str, float]]
) -> None:
    market = a_world(["SPY"], a_spec(day, day))
    assert market.detail is not None
    (row,) = market.detail.rows
    venue = DetailedVenue(market.detail, market.instruments, a_venue_model())
    by_day = SimulatedVenue(market.frame, market.instruments, a_venue_model())
    for order in bracket(limit, stop):
        for one in (venue, by_day):
            one.accept(order, market.frame.known(row - 1))
    assert filled([*venue.open_bar(row), *venue.close_bar(row)]) == expected
    # The daily bar has touched both, and says no more than that.
    assert [name for name, _, _ in filled([*by_day.open_bar(row), *by_day.close_bar(row)])] == [
        *("limit", "stop"),
    ]


def filled(events: Sequence[OrderEvent]) -> list[tuple[str, str, float]]:
    return [
        (str(event.order), f"{event.at:%H:%M}", float(event.fill.price))
        for event in events
        if isinstance(event, Filled)
    ]


def test_a_half_day_ends_its_orders_at_one_oclock() -> None:
    half = date(2015, 12, 24)
    spec = a_spec(half, date(2015, 12, 28), volume_share=Decimal("0.0001"))
    result, told = run("GOOG", spec, {date(2015, 12, 23): 1.0})
    # 133 shares are wanted; three of 210 minutes traded the 10,000 shares that make one ours:
    # 11,492 and 14,997 and, in the last, 106,129.
    assert told == [
        ("12-24 14:30", "buy", 1, 749.55),
        ("12-24 17:58", "buy", 1, 747.95),
        ("12-24 17:59", "buy", 10, 747.93),
    ]
    (state,) = result.orders.values()
    assert (state.status, int(state.filled)) == (OrderStatus.EXPIRED, 12)
    assert state.at == datetime(2015, 12, 24, 18, 0, tzinfo=UTC)


def test_a_half_days_close_is_that_of_its_last_minute() -> None:
    spec = a_spec(
        date(2015, 12, 24),
        date(2015, 12, 28),
        construction=Construction(time_in_force=TimeInForce.CLS),
    )
    _, told = run("GOOG", spec, {date(2015, 12, 23): 1.0})
    assert told == [("12-24 18:00", "buy", 133, 748.4)]


def test_a_split_is_one_for_days_and_minutes() -> None:
    spec = a_spec(date(2014, 6, 6), date(2014, 6, 9))
    result, told = run("AAPL", spec, {date(2014, 6, 5): 1.0, date(2014, 6, 6): 0.0})
    # 100,000 / 647.35 is 154 shares; seven for one come on the 9th, and what was ordered in the
    # old ones is taken away.
    assert told == [("06-06 13:30", "buy", 154, 650.0)]
    assert [state.reason for state in result.orders.values()] == ["", "corporate action"]
    cash = 100_000 - 154 * 650
    assert result.final_equity == cash + 154 * 7 * Decimal("93.70")


def test_minutes_in_prices_of_after_the_split_are_refused() -> None:
    spec = a_spec(date(2014, 6, 6), date(2014, 6, 9))
    market = a_world(["AAPL"], spec)
    assert market.detail is not None
    raw = market.detail.frame
    scale = np.where(raw.session == raw.session[0], 1 / 7, 1.0)[:, None]
    prices = {name: getattr(raw, name) * scale for name in ("open", "high", "low", "close")}
    adjusted = replace(raw, **prices)
    with pytest.raises(QualityFailure, match=r"AAPL at 2014-06-06.*0\.142857 times its close"):
        detailed(market, adjusted, rows_of(spec, market).lives)


def test_where_days_and_minutes_disagree_is_told() -> None:
    week = a_world(["SPY", "IBM"], a_spec(date(2013, 10, 8), date(2013, 10, 11)))
    before = a_world(["AAPL"], a_spec(date(2014, 6, 5), date(2014, 6, 9)))
    half = a_world(["GOOG"], a_spec(date(2015, 12, 24), date(2015, 12, 28)))
    told = []
    for market in (week, before, half):
        assert market.detail is not None
        told += [
            f"{found.instrument} {found.at:%Y-%m-%d} {found.rule} {found.value:+g}"
            for found in market.detail.findings
        ]
    assert told == [
        "IBM 2013-10-08 detail_high +0.07",
        "SPY 2013-10-08 detail_low -0.01",
        "IBM 2013-10-09 detail_high +0.01",
        "IBM 2013-10-09 detail_low -0.01",
        "AAPL 2014-06-05 detail_high +0.02",
        "AAPL 2014-06-06 detail_high +0.01",
        "AAPL 2014-06-06 detail_low -0.01",
        "GOOG 2015-12-24 detail_high +0.05",
        "GOOG 2015-12-24 detail_low -0.22",
    ]


def test_days_without_minutes_are_refused_before_anything_runs() -> None:
    with pytest.raises(MissingData) as refused:
        a_world(["SPY", "QQQ"], a_spec(date(2013, 10, 7), date(2013, 10, 15)))
    told = str(refused.value)
    assert "SPY has none on 2 days that it trades: 2013-10-14..2013-10-15" in told
    assert "QQQ has none on 7 days that it trades: 2013-10-07..2013-10-15" in told
    with pytest.raises(MissingData, match="give --from 2013-10-07 --to 2013-10-11"):
        a_world(["SPY"], a_spec(date(2013, 10, 7), date(2013, 10, 15)))
    with pytest.raises(MissingData, match="EEM has none on 5 days"):
        a_world(["EEM"], a_spec(date(2013, 10, 7), date(2013, 10, 11)))
