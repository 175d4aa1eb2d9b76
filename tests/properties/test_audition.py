"""What a member is judged by is what the engine would have earned with it, had nothing cost."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.builders import WIDE, Row, a_market, a_spec, dec
from tradewright.backtest.backtest import Backtest
from tradewright.core.frames import FloatArray
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Split
from tradewright.core.orders import OrderStatus
from tradewright.data.history import History, MarketData
from tradewright.engine.view import InstantView, Served
from tradewright.strategies.audition import Past, audition_returns
from tradewright.strategies.mean_reversion import MeanReversion, Sides
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.strategy import Rebalance
from tradewright.strategies.volume_momentum import VolumeMomentum

NAMES = ("AAA", "BBB", "CCC")
ROWS, WINDOW = 40, 20
STRATEGIES: tuple[Any, ...] = (
    MeanReversion(window=5, enter=1.0, sides=Sides.BOTH),
    Momentum(top=2, lookback=6, skip=1, rebalance=Rebalance.WEEK),
    MovingAverageCross(fast=2, slow=6),
    VolumeMomentum(window=3, rise=0.01, volume=0.5, trail=0.03, longest=4),
)


def bars(seed: int, *, halved: int = ROWS) -> dict[str, list[Row]]:
    """Random walks in cents that open apart from where they closed, and miss a day now and then.

    From row `halved` on a share of BBB is half of one.
    """
    noise = np.random.default_rng(seed)
    found = {}
    for name in NAMES:
        closes = 60.0 * np.exp(np.cumsum(noise.normal(0.0, 0.02, ROWS)))
        opens = closes * np.exp(noise.normal(0.0, 0.01, ROWS))
        volumes = noise.integers(10**12, 10**13, ROWS).astype(np.float64)
        if name == "BBB":
            opens[halved:] /= 2
            closes[halved:] /= 2
        tops, lows = np.maximum(opens, closes) + 0.05, np.minimum(opens, closes) - 0.05
        table = np.column_stack([np.round(c, 2) for c in (opens, tops, lows, closes)] + [volumes])
        table[noise.random(ROWS) < 0.05] = np.nan
        found[name] = [(o, h, low, c, v) for o, h, low, c, v in table.tolist()]
    return found


def heard(strategy: Any, market: MarketData, row: int) -> FloatArray:
    history = History(market.frame, market.actions)
    served = Served(history, market.calendar, strategy.needs.features)
    history.advance(row)
    past = Past(
        InstantView(served, row, {}, lambda: None),
        strategy.needs.features,
        WINDOW + strategy.needs.rows,
    )
    return audition_returns(strategy, past, WINDOW)


@settings(max_examples=60)
@given(st.integers(0, 10**6), st.sampled_from(STRATEGIES), st.booleans())
def test_an_audition_earns_what_the_engine_earns(seed: int, strategy: Any, splits: bool) -> None:
    split = ROWS - 8
    market = a_market(bars(seed, halved=split) if splits else bars(seed))
    days = [session.date for session in market.frame.sessions]
    if splits:
        doubled = Split(InstrumentId("BBB"), days[split], Fraction(2))
        market = replace(market, actions=(doubled,))
    spec = a_spec(
        market,
        first=days[ROWS - WINDOW],
        last=days[-1],
        # So much that whole shares are as good as fractions.
        capital=dec(10**11),
        limits=replace(WIDE, max_price_age_rows=ROWS),
        commission="none",
        slippage_bps=dec(0),
    )
    lived = Backtest(spec, market, strategy=strategy).run()
    assert not lived.refusals
    # A venue cancels what is open when a share is split; an audition fills it.
    assume(all(s.status is not OrderStatus.CANCELED for s in lived.orders.values()))
    equity = lived.equity
    expected = equity[1:] / equity[:-1] - 1.0
    assert len(expected) == WINDOW
    np.testing.assert_allclose(heard(strategy, market, ROWS - 1), expected, rtol=0, atol=1e-7)


@given(st.integers(0, 10**6), st.sampled_from(STRATEGIES), st.integers(WINDOW + 8, ROWS - 2))
def test_an_audition_knows_nothing_of_what_follows(seed: int, strategy: Any, now: int) -> None:
    market = a_market(bars(seed))
    cut = replace(market, frame=market.frame.rows(0, now + 1))
    assert heard(strategy, market, now).tobytes() == heard(strategy, cut, now).tobytes()
