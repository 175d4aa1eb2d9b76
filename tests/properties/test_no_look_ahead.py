"""Whatever the future holds, what is seen and decided now is the same to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import WIDE, a_market, a_spec, dec, flat_bars
from tradewright.backtest.backtest import Backtest
from tradewright.core.errors import LookAhead
from tradewright.core.frames import FIELDS, BarFrame, FloatArray
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.core.session import Timeframe
from tradewright.data.history import History, MarketData
from tradewright.engine.view import InstantView, Served
from tradewright.features.feature import Feature
from tradewright.features.returns import momentum
from tradewright.features.trend import sma, sma_gap
from tradewright.features.volatility import volatility
from tradewright.strategies.ensemble import Allocation, Ensemble, Member
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.strategy import Rebalance

NAMES = ("AAA", "BBB", "CCC")
ROWS = 16
FEATURES: Sequence[Feature] = (momentum(5, 1), sma(3), sma_gap(2, 4), volatility(4))
WINDOW = max(feature.window for feature in FEATURES)


def prices(seed: int, rows: int) -> FloatArray:
    """Random walks in cents with holes, shape (rows, names)."""
    noise = np.random.default_rng(seed)
    walk = 50.0 * np.exp(np.cumsum(noise.normal(0.0, 0.03, (rows, len(NAMES))), axis=0))
    walk = np.round(walk, 2)
    walk[noise.random(walk.shape) < 0.08] = np.nan
    return np.asarray(walk)


def a_past(seed: int) -> MarketData:
    closes = prices(seed, ROWS)
    bars = {name: flat_bars(closes[:, i].tolist()) for i, name in enumerate(NAMES)}
    return a_market(bars)


def with_future(market: MarketData, after: int, seed: int) -> MarketData:
    """The same market up to row `after`, and another one from there on."""
    frame, noise = market.frame, np.random.default_rng(seed)
    other = prices(seed, ROWS)
    changes: dict[str, FloatArray] = {}
    for name in FIELDS:
        column = getattr(frame, name).copy()
        fresh = noise.integers(1, 10**6, other.shape) * 1.0 if name == "volume" else other
        column[after + 1 :] = fresh[after + 1 :]
        changes[name] = column
    return replace(market, frame=a_frame_with(frame, changes))


def a_frame_with(frame: BarFrame, changes: dict[str, Any]) -> BarFrame:
    return BarFrame(
        frame.timeframe,
        frame.instruments,
        frame.sessions,
        frame.session,
        frame.start,
        frame.end,
        **changes,
    )


@st.composite
def actions(draw: st.DrawFn, first: int, stop: int) -> list[CorporateAction]:
    """Splits and dividends of rows `first` up to `stop`."""
    made: list[CorporateAction] = []
    days = [session.date for session in a_past(0).frame.sessions]
    for _ in range(draw(st.integers(0, 3)) if first < stop else 0):
        name = InstrumentId(draw(st.sampled_from(NAMES)))
        day = days[draw(st.integers(first, stop - 1))]
        if draw(st.booleans()):
            made.append(Split(name, day, Fraction(draw(st.sampled_from(["2", "3/2", "1/4"])))))
        else:
            made.append(CashDividend(name, day, dec(draw(st.integers(1, 50))) / 100))
    return made


@st.composite
def worlds(draw: st.DrawFn) -> tuple[MarketData, MarketData, int]:
    """Two markets that agree up to and including a row, and that row."""
    now = draw(st.integers(1, ROWS - 2))
    past = draw(actions(0, now + 1))
    market = a_past(draw(st.integers(0, 10**6)))
    one = replace(market, actions=(*past, *draw(actions(now + 1, ROWS))))
    other = with_future(market, now, draw(st.integers(0, 10**6)))
    return one, replace(other, actions=(*past, *draw(actions(now + 1, ROWS)))), now


def seen(market: MarketData, row: int) -> list[bytes]:
    """All that a strategy can see at a row, bit by bit."""
    history = History(market.frame, market.actions)
    served = Served(history, market.calendar, FEATURES)
    history.advance(row)
    view = InstantView(served, row, {}, lambda: None)
    arrays = [view.feature(feature.name) for feature in FEATURES]
    arrays += [view.window(name, row + 5) for name in FIELDS]
    arrays.append(view.tradable())
    told = [np.ascontiguousarray(array).tobytes() for array in arrays]
    told += [str(history.price(column)).encode() for column in range(len(NAMES))]
    told.append(str(view.sessions(row + 5)).encode())
    return [*told, str((view.at, view.session, view.next_session)).encode()]


@given(worlds())
def test_a_view_ignores_all_that_comes_after_it(
    worlds: tuple[MarketData, MarketData, int],
) -> None:
    one, other, now = worlds
    for row in range(now + 1):
        assert seen(one, row) == seen(other, row)


@given(worlds())
def test_history_until_now_is_the_same_as_if_nothing_had_followed(
    worlds: tuple[MarketData, MarketData, int],
) -> None:
    one, _, now = worlds
    cut = replace(one, frame=one.frame.rows(0, now + 1))
    whole = History(one.frame, one.actions)
    whole.advance(now)
    until = whole.until(one.frame.known(now))
    for name in FIELDS:
        assert until.window(name, ROWS).tobytes() == whole.window(name, ROWS).tobytes()
    assert seen(cut, now) == seen(one, now)


@given(st.integers(0, ROWS - 2))
def test_asking_for_what_is_not_yet_known_is_an_error(now: int) -> None:
    market = a_past(1)
    history = History(market.frame)
    history.advance(now)
    try:
        history.until(market.frame.known(now + 1))
    except LookAhead as refused:
        assert "later than what is known" in str(refused)  # noqa: PT017 - a property, not a case
    else:
        raise AssertionError


def decisions(market: MarketData, strategy: Any, until: datetime) -> list[tuple[Any, ...]]:
    spec = a_spec(market, limits=replace(WIDE, max_price_age_rows=ROWS))
    result = Backtest(spec, market, strategy=strategy).run()
    return [
        (state.order.decided_at, state.order)
        for state in result.orders.values()
        if state.order.decided_at <= until
    ] + [(r.at, r.order, r.code) for r in result.refusals if r.at <= until]


STRATEGIES = (
    Momentum(top=1, lookback=4, skip=1, rebalance=Rebalance.DAY),
    MovingAverageCross(fast=2, slow=3, timeframe=Timeframe.DAY),
    Ensemble(
        (Member(Momentum(top=1, lookback=2, skip=0)), Member(MovingAverageCross(fast=1, slow=2))),
        Allocation.SHARPE,
        window=3,
        rebalance=Rebalance.DAY,
    ),
)


@settings(max_examples=60)
@given(worlds(), st.sampled_from(STRATEGIES))
def test_decisions_do_not_depend_on_what_comes_after_them(
    worlds: tuple[MarketData, MarketData, int], strategy: Any
) -> None:
    one, other, now = worlds
    until = one.frame.known(now)
    assert decisions(one, strategy, until) == decisions(other, strategy, until)


@given(st.integers(0, 10**6), st.integers(0, ROWS), st.sampled_from(FEATURES))
def test_a_feature_over_the_whole_equals_the_one_over_a_tail_to_the_last_bit(
    seed: int, row: int, feature: Feature
) -> None:
    # Longer than any vector register, and cut at odd places.
    columns = {"close": prices(seed, 40)}
    whole = feature.compute(columns)
    end = min(feature.window + row, 40)
    for first in {end - feature.window, max(end - feature.window - 3, 0)}:
        tail = {"close": columns["close"][first:end]}
        assert feature.compute(tail)[-1].tobytes() == whole[end - 1].tobytes()
        alone = {"close": np.ascontiguousarray(columns["close"][first:end, :1])}
        assert feature.compute(alone)[-1].tobytes() == whole[end - 1, :1].tobytes()
