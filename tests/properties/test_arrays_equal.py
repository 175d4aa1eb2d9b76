"""The compiled path gives the orders, fills, refusals and ledger of the engine that trades."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.builders import WIDE, Row, a_market, a_spec, dec
from tests.performance.bench import daily_spec, minute_market, minute_spec
from tradewright.backtest.arrays import run_arrays, sweep, why_not
from tradewright.backtest.arrays.retold import refused, result_of
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.choice import Way, run_backtest
from tradewright.bootstrap import bar_store, load_market
from tradewright.core.errors import ArraysRefused, MissingData
from tradewright.core.frames import FloatArray, from_nanos
from tradewright.core.ids import InstrumentId, StrategyId
from tradewright.core.market import CashDividend, CorporateAction, Delisting, Split
from tradewright.core.orders import TimeInForce
from tradewright.core.session import Calendar, Session
from tradewright.core.signals import Target
from tradewright.data.history import MarketData
from tradewright.data.sample import sample_market
from tradewright.engine.run import RunSpec
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.sizing import FixedFraction, FixedShares, Sizing, VolatilityTarget
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.registry import STRATEGIES as SHIPPED
from tradewright.strategies.registry import strategy_of
from tradewright.strategies.strategy import (
    Columns,
    MarketView,
    Needs,
    Rebalance,
    Stateful,
    Strategy,
    Weighing,
)

NAMES = ("DDD", "AAA", "CCC", "BBB")
ROWS = 24
PER_SESSION = 6


class Wishing:
    """Wishes for the weights of a table, row by row, whatever is held."""

    def __init__(self, seed: int, market: MarketData) -> None:
        noise = np.random.default_rng(seed)
        frame = market.frame
        shape = frame.close.shape
        kinds = noise.choice([np.nan, 0.0, 0.25, -0.2, 0.5], shape, p=[0.5, 0.15, 0.15, 0.1, 0.1])
        self.table = np.where(noise.random(shape) < 0.3, kinds * noise.random(shape), kinds)
        self.id = StrategyId("wishing")
        self.needs = Needs(frame.timeframe)
        self._rows = {frame.known(row): row for row in range(len(frame))}

    def decide(self, view: MarketView) -> Sequence[Target]:
        weights = self.table[self._rows[view.at]].tolist()
        pairs = zip(view.universe, weights, strict=True)
        return [Target(self.id, name, view.at, w) for name, w in pairs if not np.isnan(w)]

    def weights(self, columns: Columns) -> FloatArray:
        assert columns.closes.shape == self.table.shape
        return self.table


@dataclass
class Case:
    """What a run is made of, small enough to be shown when it fails."""

    seed: int
    names: int
    per_session: int
    holes: float
    decimals: int
    actions: list[CorporateAction]
    half_day: bool
    strategy: tuple[Any, ...]
    sizing: Sizing
    force: TimeInForce
    min_trade: str
    commission: str
    slippage: str
    volume_share: str | None
    limits: dict[str, Any]
    capital: str
    calendar_ends: bool
    lots: list[int]

    def market(self) -> MarketData:
        noise = np.random.default_rng(self.seed)
        shape = (ROWS, self.names)
        closes = 20.0 * np.exp(np.cumsum(noise.normal(0.0, 0.05, shape), axis=0))
        closes = np.round(closes, self.decimals)
        opens = np.round(closes * (1 + noise.normal(0.0, 0.01, shape)), self.decimals)
        volumes = noise.integers(100, 5000, shape).astype(float)
        closed = noise.random(shape) < self.holes
        rows: dict[str, list[Row]] = {}
        for i, name in enumerate(NAMES[: self.names]):
            bars = zip(opens[:, i], closes[:, i], volumes[:, i], closed[:, i], strict=True)
            rows[name] = [
                (np.nan,) * 5 if hole else (o, max(o, c), min(o, c), c, v) for o, c, v, hole in bars
            ]
        market = a_market(rows, per_session=self.per_session)
        frame = market.frame
        calendar = market.calendar
        if self.half_day and self.per_session > 1:
            # The second session closes early: its last rows are not there.
            kept = [r for r in range(ROWS) if not (PER_SESSION + 2 < r < 2 * PER_SESSION)]
            frame = replace(frame, **{n: getattr(frame, n)[kept] for n in FRAME_COLUMNS})
            short = replace(frame.sessions[1], close=from_nanos(frame.end.item(PER_SESSION + 2)))
            frame = replace(frame, sessions=with_second(frame.sessions, short))
            calendar = Calendar("HALF", with_second(calendar.sessions, short))
        own = {
            name: replace(instrument, lot=dec(lot))
            for (name, instrument), lot in zip(market.instruments.items(), self.lots, strict=False)
        }
        last = NAMES[self.names - 1]
        own[InstrumentId(last)] = replace(
            own[InstrumentId(last)],
            shortable=self.seed % 3 != 0,
            listed=frame.sessions[1].date if self.seed % 5 == 0 else None,
            delisted=frame.sessions[-2].date if self.seed % 7 == 0 else None,
        )
        kept_actions = tuple(a for a in self.actions if a.instrument in own)
        if self.calendar_ends:
            calendar = Calendar("SHORT", calendar.sessions[: len(frame.sessions)])
        return replace(
            market, frame=frame, instruments=own, actions=kept_actions, calendar=calendar
        )

    def chosen(self, market: MarketData) -> Strategy:
        kind, *rest = self.strategy
        if kind == "wishing":
            return Wishing(rest[0], market)
        if kind == "sma":
            fast, slow, band = rest
            return MovingAverageCross(fast, slow, 0.9, band, timeframe=market.frame.timeframe)
        top, rebalance = rest
        chosen = Momentum(top=top, lookback=4, skip=1, rebalance=rebalance)
        object.__setattr__(chosen, "needs", replace(chosen.needs, timeframe=market.frame.timeframe))
        return chosen

    def spec(self, market: MarketData) -> RunSpec:
        share = self.volume_share
        return a_spec(
            market,
            capital=dec(self.capital),
            commission=self.commission,
            slippage_bps=dec(self.slippage),
            volume_share=None if share is None else dec(share),
            construction=Construction(self.sizing, self.force, dec(self.min_trade)),
            limits=replace(WIDE, **self.limits),
            timeframe=market.frame.timeframe,
        )


def with_second(sessions: tuple[Session, ...], second: Session) -> tuple[Session, ...]:
    return (sessions[0], second, *sessions[2:])


FRAME_COLUMNS = (
    "session", "start", "end", "known_at", "open", "high", "low", "close", "volume",
)  # fmt: skip


@st.composite
def actions(draw: st.DrawFn) -> list[CorporateAction]:
    """Splits, dividends and delistings of any of the sessions."""
    made: list[CorporateAction] = []
    days = [session.date for session in a_market({"X": [(1.0,) * 5] * ROWS}).frame.sessions]
    for _ in range(draw(st.integers(0, 3))):
        name = InstrumentId(draw(st.sampled_from(NAMES)))
        day = days[draw(st.integers(0, ROWS // 2))]
        match draw(st.sampled_from(["split", "dividend", "delisting"])):
            case "split":
                made.append(Split(name, day, Fraction(draw(st.sampled_from(SPLITS)))))
            case "dividend":
                amount = dec(draw(st.integers(1, 5000))) / 10**4
                made.append(CashDividend(name, day, amount))
            case _:
                made.append(Delisting(name, day))
    return made


SPLITS = ("2", "3/2", "1/4", "1/3")
STRATEGIES = st.one_of(
    st.tuples(st.just("wishing"), st.integers(0, 10**6)),
    st.tuples(
        st.just("sma"), st.integers(1, 2), st.integers(3, 5), st.sampled_from([0.0, 1e-6, 0.3])
    ),
    st.tuples(st.just("momentum"), st.integers(1, 5), st.sampled_from(list(Rebalance))),
)
LIMITS = st.fixed_dictionaries(
    {"max_price_age_rows": st.sampled_from([0, 2, ROWS])},
    optional={
        "max_order_notional": st.sampled_from([dec(3000), dec("5000.555")]),
        "max_position_notional": st.sampled_from([dec(4000)]),
        "max_position_shares": st.sampled_from([dec(150), dec("99.5")]),
        "max_position_weight": st.sampled_from([dec("0.45"), dec(1)]),
        "max_gross": st.sampled_from([dec("0.7"), dec(1)]),
        "max_net": st.sampled_from([dec("0.5")]),
        "leverage": st.sampled_from([dec("0.9"), dec(1)]),
    },
)
cases = st.builds(
    Case,
    seed=st.integers(0, 10**6),
    names=st.integers(1, len(NAMES)),
    per_session=st.sampled_from([1, PER_SESSION]),
    holes=st.sampled_from([0.0, 0.1, 0.3]),
    decimals=st.sampled_from([0, 2, 4, 5]),
    actions=actions(),
    half_day=st.booleans(),
    strategy=STRATEGIES,
    sizing=st.sampled_from(
        [
            FixedFraction(),
            FixedFraction(dec("0.37")),
            FixedShares(dec(100)),
            VolatilityTarget(dec("0.3"), dec("1.5"), 3),
        ]
    ),
    force=st.sampled_from([TimeInForce.DAY, TimeInForce.GTC]),
    min_trade=st.sampled_from(["0", "150.005"]),
    commission=st.sampled_from(
        ["ib-fixed", "none", "per-share", "percent", "percent-minimum", "per-trade"]
    ),
    slippage=st.sampled_from(["0", "2", "7.5"]),
    volume_share=st.sampled_from([None, "0.01", "0.125"]),
    limits=LIMITS,
    capital=st.sampled_from(["10000", "12345.67"]),
    calendar_ends=st.booleans(),
    lots=st.lists(st.sampled_from([1, 1, 7, 100]), min_size=len(NAMES), max_size=len(NAMES)),
)


def by_time(alerts: Sequence[Any]) -> list[tuple[Any, str]]:
    return sorted((alert.at, alert.message) for alert in alerts)


def check(ours: Result, events: Result) -> None:
    assert list(ours.fills) == list(events.fills)
    assert dict(ours.orders) == dict(events.orders)
    assert list(ours.orders) == list(events.orders)
    assert list(ours.refusals) == list(events.refusals)
    assert by_time(ours.alerts) == by_time(events.alerts)
    assert ours.book == events.book
    assert ours.final_equity == events.final_equity
    assert ours.times.tolist() == events.times.tolist()
    assert ours.equity.tolist() == events.equity.tolist()
    assert ours.invested.tolist() == events.invested.tolist()
    assert ours.rows == events.rows


def compare(spec: RunSpec, market: MarketData, strategy: Strategy) -> int:
    """Check one run by both ways; return how often the compiled one asked."""
    events = Backtest(spec, market, strategy=strategy).run()
    done = run_arrays(spec, market, strategy=strategy)
    names = market.frame.instruments
    said = [(market.frame.known(r), names[c], abs(q), code) for r, c, q, code in refused(done)]
    assert said == [
        (one.at, one.order.instrument, int(one.order.quantity), one.code.value)
        for one in events.refusals
    ]
    np.testing.assert_allclose(done.equity, events.equity, rtol=1e-9)
    np.testing.assert_allclose(done.invested, events.invested, rtol=1e-9, atol=1e-9)
    check(result_of(spec, market, strategy=strategy), events)
    return done.asked


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(cases)
def test_arrays_and_events_give_the_same(case: Case) -> None:
    market = case.market()
    strategy, spec = case.chosen(market), case.spec(market)
    assert why_not(spec, market, strategy=strategy) is None
    if case.calendar_ends and isinstance(strategy, Momentum):
        # Whether the last session is the last of its month cannot be known: the engine stops at
        # the question, and the compiled path refuses to begin.
        with suppress(MissingData, ArraysRefused):
            compare(spec, market, strategy)
    else:
        compare(spec, market, strategy)


def minute_slice(bars: int) -> tuple[RunSpec, MarketData]:
    """The works of `make bench`, smaller."""
    market = minute_market(bars)
    return minute_spec(market), market


def daily_slice(folder: Path, symbols: int, sessions: int) -> MarketData:
    made = sample_market(symbols=symbols, sessions=sessions, first=date(2015, 1, 5))
    bar_store(folder).write(made.frame, made.instruments, made.actions)
    return load_market(folder)


def test_minute_bars_of_one_symbol() -> None:
    spec, market = minute_slice(20_000)
    assert len(run_arrays(spec, market).fills) > 500
    compare(spec, market, spec.build_strategy())


def test_a_portfolio_of_daily_bars(tmp_path: Path) -> None:
    market = daily_slice(tmp_path, 40, 400)
    spec = replace(daily_spec(market), parameters={"top": "10"}, commission="ib-fixed")
    assert len(run_arrays(spec, market).fills) > 50
    compare(spec, market, spec.build_strategy())


def test_a_sweep_is_each_of_its_runs() -> None:
    spec, market = minute_slice(6_000)
    grid = {"fast": [2, 5], "slow": [20, 30]}
    swept = sweep(spec, market, grid)
    assert [tuple(one.values())[-2:] for one in swept.parameters] == [
        ("2", "20"), ("2", "30"), ("5", "20"), ("5", "30"),
    ]  # fmt: skip
    for place, parameters in enumerate(swept.parameters):
        events = Backtest(replace(spec, parameters=parameters), market).run()
        assert swept.final_equity[place] == events.final_equity
        assert swept.fills[place] == len(events.fills)
        closes = np.searchsorted(events.times, swept.times)
        np.testing.assert_allclose(swept.equity[place], events.equity[closes], rtol=1e-9)
    assert sweep(spec, market, [{"fast": 2, "slow": 20}]).fills.tolist() == [swept.fills[0]]


def test_a_sweep_of_nothing_is_empty() -> None:
    spec, market = minute_slice(3_000)
    assert sweep(spec, market, []).equity.shape[0] == 0


NOT_EQUALLY: list[tuple[str, dict[str, Any]]] = [
    ("orders", {"construction": Construction(time_in_force=TimeInForce.OPG)}),
    ("whole", {"construction": Construction(FixedShares(dec("0.5")))}),
    ("digits", {"volume_share": dec("0.12345678")}),
    ("slippage", {"slippage_bps": dec("0.123456789")}),
    ("slippage", {"slippage": "square-root"}),
    ("impact", {"impact": "almgren"}),
    ("fees", {"fees": "us-sales"}),
    ("borrow", {"borrow": "flat"}),
    ("margin", {"margin": "flat"}),
    ("commission", {"commission": "ib-tiered"}),
]


@pytest.mark.parametrize(("what", "changes"), NOT_EQUALLY)
def test_what_cannot_be_run_equally_is_refused_with_the_reason(
    what: str, changes: dict[str, Any]
) -> None:
    spec, market = minute_slice(3_000)
    other = replace(spec, **changes)
    reason = why_not(other, market)
    assert reason is not None
    assert what in reason
    with pytest.raises(ArraysRefused, match=what):
        run_arrays(other, market)


@pytest.mark.parametrize(("lot", "why"), [("0.001", "parts of a share"), ("2.5", "parts of a")])
def test_parts_of_a_share_are_refused(lot: str, why: str) -> None:
    spec, market = minute_slice(3_000)
    own = {name: replace(one, lot=dec(lot)) for name, one in market.instruments.items()}
    assert why in str(why_not(spec, replace(market, instruments=own)))


def test_a_price_with_too_many_digits_is_refused_on_the_way_and_events_go_on() -> None:
    spec, market = minute_slice(3_000)
    opens = market.frame.open + 1e-11
    other = replace(market, frame=replace(market.frame, open=opens))
    assert why_not(spec, other) is None
    with pytest.raises(ArraysRefused, match="eight decimals"):
        run_arrays(spec, other)
    expected = Backtest(spec, other).run()
    check(run_backtest(spec, other, Way.AUTO), expected)
    with pytest.raises(ArraysRefused):
        run_backtest(spec, other, Way.ARRAYS)


AT_ONCE = [name for name in SHIPPED if isinstance(strategy_of(name, {}), Stateful | Weighing)]


@pytest.mark.parametrize("name", AT_ONCE)
def test_every_shipped_strategy_that_says_its_targets_at_once_decides_the_same(
    name: str, tmp_path: Path
) -> None:
    market = daily_slice(tmp_path, 12, 500)
    spec = replace(daily_spec(market), strategy=name, parameters={})
    if why_not(spec, market) is None:
        compare(spec, market, spec.build_strategy())
    else:
        assert name not in ("momentum", "sma-cross")
