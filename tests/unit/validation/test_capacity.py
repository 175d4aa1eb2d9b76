from __future__ import annotations

import math
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest

from tests.builders import AAA, a_fill, a_market, flat_bars
from tradewright.analytics.benchmark import alpha
from tradewright.analytics.returns import simple_returns
from tradewright.backtest.validation.capacity import (
    SQUARE_ROOT,
    Capacity,
    capacity,
    sized,
    yearly_edge,
)
from tradewright.core.errors import InvalidInput, MissingData, UnknownName
from tradewright.core.frames import FloatArray
from tradewright.core.orders import Fill
from tradewright.data.history import MarketData
from tradewright.portfolio.costs import Almgren, BasisPoints, NoCommission, TradingCosts
from tradewright.portfolio.costs.conditions import Backdrop
from tradewright.portfolio.costs.slippage import HalfSpread, LinearParticipation, SquareRoot

SESSIONS = 60
VOLUME = 50_000.0
EQUITY = np.linspace(90_000.0, 110_000.0, 253)
FREE = NoCommission()


def some_market() -> MarketData:
    noise = np.random.default_rng(1).standard_normal(SESSIONS)
    closes = np.round(100 * np.cumprod(1 + 0.02 * noise), 2).tolist()
    return a_market({"AAA": flat_bars(closes, VOLUME)})


def some_fills(market: MarketData, quantity: int = 500) -> list[Fill]:
    frame = market.frame
    return [
        a_fill(
            quantity=quantity,
            price=str(frame.close[row, 0]),
            id=f"fill-{row}",
            at=frame.session_of(row).open + timedelta(minutes=1),
        )
        for row in range(30, SESSIONS, 3)
    ]


def estimated(edge: float = 0.08, **changes: object) -> Capacity:
    market = some_market()
    return capacity(some_fills(market), EQUITY, market, edge, **changes)  # type: ignore[arg-type]


def by_hand(market: MarketData, fills: list[Fill], scale: float) -> float:
    """Σ v σ √(k q / V) over mean equity and years, from the columns themselves."""
    frame, total = market.frame, 0.0
    for fill in fills:
        row = frame.row_at(fill.at) + 1
        past = np.log(frame.close[row - 21 : row, 0])
        daily = float(np.std(np.diff(past), ddof=1))
        value = float(fill.price * fill.quantity)
        total += value * daily * math.sqrt(scale * float(fill.quantity) / VOLUME)
    return total / float(EQUITY.mean()) / (252 / 252)


def test_the_square_root_law_has_its_closed_form() -> None:
    market = some_market()
    fills = some_fills(market)
    found = capacity(fills, EQUITY, market, 0.08)
    cost = by_hand(market, fills, 1.0)
    assert found.cost == pytest.approx(cost, rel=1e-4)
    assert found.own == pytest.approx(100_000)
    # c(k) = c(1) √k: gone at (edge / c(1))², and most is earned at 4/9 of it.
    gone = (0.08 / cost) ** 2
    assert found.gone == pytest.approx(gone * 100_000, rel=1e-3)
    assert found.best == pytest.approx(4 / 9 * gone * 100_000, rel=1e-3)
    assert found.profit == pytest.approx(found.best * 0.08 / 3, rel=1e-3)
    assert found.known == 1


def test_what_is_left_falls_with_capital_and_is_nothing_where_it_is_gone() -> None:
    found = estimated()
    assert np.all(np.diff(found.left) < 0)
    assert np.interp(found.gone, found.capital, found.left) == pytest.approx(0.0, abs=1e-3)


def test_busy_is_where_a_trade_is_a_tenth_of_a_day() -> None:
    # Each trade is a hundredth of a day's volume at the run's own size.
    assert estimated().busy == pytest.approx(10 * 100_000)


@pytest.mark.parametrize("edge", [0.0, -0.05])
def test_without_an_edge_there_is_nothing_to_carry(edge: float) -> None:
    found = estimated(edge)
    assert (found.gone, found.best, found.profit) == (0, 0, 0)
    assert np.all(found.left < 0)


def test_a_cost_that_was_paid_is_put_back_before_it_grows() -> None:
    plain, paid = estimated(0.08), estimated(0.08 - estimated().cost, charged=True)
    assert paid.edge == pytest.approx(0.08)
    assert paid.gone == pytest.approx(plain.gone)


def test_size_that_costs_in_a_line_is_carried_less_far() -> None:
    model = LinearParticipation(Decimal("0.1"), spread_bps=Decimal(0))
    found = estimated(model=model)
    # c(k) = c(1) k: gone at edge / c(1), and most is earned at half of it.
    assert found.gone == pytest.approx(0.08 / found.cost * 100_000, rel=1e-3)
    assert found.best == pytest.approx(found.gone / 2, rel=1e-3)


def test_size_that_costs_nothing_has_no_end() -> None:
    found = estimated(model=BasisPoints(Decimal(0)))
    assert found.gone == math.inf
    assert found.profit == 0


def test_trades_before_anything_is_known_cost_nothing_and_are_told() -> None:
    market = some_market()
    fills = some_fills(market)
    early = a_fill(at=market.frame.session_of(3).open, price=100, quantity=1000)
    found = capacity([early, *fills], EQUITY, market, 0.08)
    assert found.cost == pytest.approx(capacity(fills, EQUITY, market, 0.08).cost)
    assert 0 < found.known < 1


def test_only_what_was_known_before_the_session_counts() -> None:
    market = some_market()
    fills = some_fills(market)[:3]
    row = market.frame.row_at(fills[-1].at) + 1
    frame = market.frame
    assert Backdrop(frame).at(AAA, fills[-1].at) == Backdrop(frame.rows(0, row + 1)).at(
        AAA, fills[-1].at
    )


def test_nothing_traded_or_known_is_refused() -> None:
    market = some_market()
    with pytest.raises(MissingData, match="nothing was traded"):
        capacity([], EQUITY, market, 0.1)
    early = a_fill(at=market.frame.session_of(1).open, price=100)
    with pytest.raises(MissingData, match="no volume is known"):
        capacity([early], EQUITY, market, 0.1)
    with pytest.raises(InvalidInput, match="not above zero"):
        capacity(some_fills(market), np.array([1.0, 0.0]), market, 0.1)


def test_a_run_is_judged_by_the_costs_it_paid() -> None:
    conditions = Backdrop(some_market().frame).at(AAA, some_fills(some_market())[-1].at)
    assert sized(TradingCosts(FREE, BasisPoints(Decimal(2)))) == (SQUARE_ROOT, False)
    assert sized(TradingCosts(FREE, SquareRoot())) == (SquareRoot(), True)
    model, charged = sized(TradingCosts(FREE, HalfSpread(), impact=Almgren()))
    assert charged
    quantity = Decimal(1000)
    parts = HalfSpread().fraction(quantity, conditions) + Almgren().fraction(quantity, conditions)
    assert model.fraction(quantity, conditions) == parts


def a_walk(seed: int) -> FloatArray:
    moves = 0.01 * np.random.default_rng(seed).standard_normal(40)
    return np.asarray(100 * np.cumprod(1 + moves), dtype=np.float64)


def test_an_edge_is_alpha_or_return() -> None:
    closes = np.round(a_walk(2), 2)
    market = a_market({"SPY": flat_bars(closes.tolist())})
    days = [session.date for session in market.frame.sessions]
    equity = a_walk(3)
    returns = simple_returns(equity)
    assert yearly_edge(days, equity, market, "return") == pytest.approx(returns.mean() * 252)
    expected = alpha(returns, simple_returns(closes))
    assert yearly_edge(days, equity, market, "alpha") == pytest.approx(expected)
    with pytest.raises(UnknownName, match="--edge: 'beta'"):
        yearly_edge(days, equity, market, "beta")
    late = [*days[:-1], days[-1] + timedelta(days=400)]
    with pytest.raises(InvalidInput, match="is not among the sessions"):
        yearly_edge(late, equity, market, "alpha")
