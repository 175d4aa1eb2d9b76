"""A strategy that says where it wakes trades as if it were asked at every row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import WIDE, Row, a_market, a_spec, dec
from tests.properties.test_no_look_ahead import NAMES, actions
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.replay import Replay
from tradewright.core.events import BarClosed, BarOpened, Event
from tradewright.core.ids import StrategyId
from tradewright.core.session import Timeframe
from tradewright.core.signals import Target
from tradewright.data.history import MarketData
from tradewright.engine.run import assemble, rows_of
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.registry import STRATEGIES, strategy_of
from tradewright.strategies.strategy import MarketView, Needs, Selective, Strategy

PER_SESSION = 12
SESSIONS = 6
ROWS = PER_SESSION * SESSIONS
KINDS = tuple(name for name in STRATEGIES if isinstance(strategy_of(name, {}), Selective))
PARAMETERS: dict[str, st.SearchStrategy[dict[str, str]]] = {
    "sma-cross": st.fixed_dictionaries(
        {
            "fast": st.sampled_from(["1", "2", "3"]),
            "slow": st.sampled_from(["4", "7"]),
            "band": st.sampled_from(["0", "1e-6", "0.2"]),
        }
    ),
}


@dataclass(frozen=True)
class Asked:
    """The same strategy, saying nothing beforehand."""

    inner: Strategy

    @property
    def id(self) -> StrategyId:
        return self.inner.id

    @property
    def needs(self) -> Needs:
        return self.inner.needs

    def decide(self, view: MarketView) -> Sequence[Target]:
        return self.inner.decide(view)


class Counting:
    """Notes when a strategy is asked."""

    def __init__(self, inner: MovingAverageCross) -> None:
        self.id, self.needs, self.wakes = inner.id, inner.needs, inner.wakes
        self.inner = inner
        self.asked: list[datetime] = []

    def decide(self, view: MarketView) -> Sequence[Target]:
        self.asked.append(view.at)
        return self.inner.decide(view)


def minutes(seed: int, names: Sequence[str] = NAMES, holes: float = 0.1) -> MarketData:
    """Random walks of several rows a session, with stretches in which nothing moves."""
    noise = np.random.default_rng(seed)
    shape = (ROWS, len(names))
    steps = noise.normal(0.0, 0.02, shape) * (noise.random(shape) < 0.5)
    closes = np.round(50.0 * np.exp(np.cumsum(steps, axis=0)), 2)
    opens = np.round(closes * (1 + noise.normal(0.0, 0.002, shape)), 2)
    closed = noise.random(shape) < holes
    rows: dict[str, list[Row]] = {}
    for i, name in enumerate(names):
        bars = zip(opens[:, i], closes[:, i], closed[:, i], strict=True)
        rows[name] = [
            (np.nan,) * 5 if hole else (o, max(o, c), min(o, c), c, 1000.0) for o, c, hole in bars
        ]
    return a_market(rows, per_session=PER_SESSION)


@dataclass
class Case:
    """What a run is made of, small enough to be shown when it fails."""

    seed: int
    names: int
    holes: float
    actions: list[Any]
    commission: str
    volume_share: str | None
    most: str | None
    strategy: Strategy

    def run(self, strategy: Strategy) -> Result:
        market = minutes(self.seed, NAMES[: self.names], self.holes)
        kept = tuple(a for a in self.actions if a.instrument in market.instruments)
        market = replace(market, actions=kept)
        spec = a_spec(
            market,
            commission=self.commission,
            volume_share=None if self.volume_share is None else dec(self.volume_share),
            limits=replace(
                WIDE,
                max_price_age_rows=ROWS,
                max_order_notional=None if self.most is None else dec(self.most),
            ),
            timeframe=Timeframe.MINUTE,
        )
        return Backtest(spec, market, strategy=strategy).run()


@st.composite
def strategies(draw: st.DrawFn) -> Strategy:
    name = draw(st.sampled_from(KINDS))
    return strategy_of(name, {"timeframe": "minute"} | draw(PARAMETERS[name]))


cases = st.builds(
    Case,
    st.integers(0, 10**6),
    st.integers(1, len(NAMES)),
    st.sampled_from([0.0, 0.1]),
    actions(1, SESSIONS),
    st.sampled_from(["none", "per-share"]),
    st.sampled_from([None, "0.02"]),
    # The lesser limit refuses some orders, so that they are asked for row after row.
    st.sampled_from([None, "3300"]),
    strategies(),
)


def told(result: Result) -> list[Any]:
    curves = [result.times, result.equity, result.invested]
    return [
        dict(result.orders),
        result.fills,
        result.refusals,
        result.alerts,
        result.book,
        result.final_equity,
        *[curve.tobytes() for curve in curves],
    ]


def test_every_strategy_that_says_where_it_wakes_is_tried_here() -> None:
    assert set(PARAMETERS) == set(KINDS)


@settings(max_examples=150)
@given(cases)
def test_a_run_is_the_same_as_if_the_strategy_were_asked_at_every_row(case: Case) -> None:
    assert told(case.run(case.strategy)) == told(case.run(Asked(case.strategy)))


@given(strategies(), st.integers(0, 10**6), st.integers(1, len(NAMES)))
def test_where_a_strategy_wakes_does_not_depend_on_what_comes_after(
    strategy: Any, seed: int, names: int
) -> None:
    gaps = np.random.default_rng(seed).normal(0.0, 0.5, (40, names))
    features = {feature.name: gaps for feature in strategy.needs.features}
    whole = strategy.wakes(features)
    for row in (1, 17, 39):
        known = strategy.wakes({name: column[:row] for name, column in features.items()})
        assert known.tolist() == whole[:row].tolist()


def shown(market: MarketData, strategy: Strategy) -> list[Event]:
    spec = a_spec(market, timeframe=Timeframe.MINUTE)
    rows = rows_of(spec, market)
    engine = assemble(spec, market, rows, strategy=strategy)
    events: list[Event] = []
    for event in Replay(market.frame, (), first=rows.first, working=(), next_row=engine.next_row):
        engine.handle(event)
        events.append(event)
    return events


@pytest.mark.parametrize("seed", range(3))
def test_what_is_left_out_are_closings_alone_and_numbers_stay(seed: int) -> None:
    market = minutes(seed)
    strategy = MovingAverageCross(fast=2, slow=3, timeframe=Timeframe.MINUTE, band=5.0)
    few, every = shown(market, strategy), shown(market, Asked(strategy))
    left_out = [event for event in every if event not in few]
    assert [event for event in every if event in few] == few
    assert left_out
    assert all(isinstance(event, BarClosed) for event in left_out)
    assert not any(isinstance(event, BarOpened) for event in every)
    closed = [event.row for event in few if isinstance(event, BarClosed)]
    lasts = set(range(2 * PER_SESSION - 1, ROWS, PER_SESSION))
    assert lasts <= set(closed)


def test_a_quiet_strategy_is_asked_once_a_session() -> None:
    market = minutes(1)
    quiet = MovingAverageCross(fast=2, slow=3, timeframe=Timeframe.MINUTE, band=1e9)
    counting = Counting(quiet)
    Backtest(a_spec(market, timeframe=Timeframe.MINUTE), market, strategy=counting).run()
    # The last row before the run, and each session's last but the one after which none trades.
    assert len(counting.asked) == SESSIONS - 1
