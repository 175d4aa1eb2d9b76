"""The rules of the strategies, each on a market made for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from tests.builders import AAA, Row, a_market, a_spec, flat_bars, sessions
from tradewright.backtest.backtest import Backtest, Result
from tradewright.core.errors import ArraysRefused, InvalidInput, UnknownName
from tradewright.core.market import CorporateAction, Split
from tradewright.core.orders import Fill
from tradewright.core.signals import Target
from tradewright.data.history import MarketData
from tradewright.strategies.breakout import Breakout
from tradewright.strategies.ensemble import Allocation, Ensemble, Member
from tradewright.strategies.exits import Exits
from tradewright.strategies.mean_reversion import MeanReversion, Sides
from tradewright.strategies.momentum import Momentum
from tradewright.strategies.moving_average import MovingAverageCross
from tradewright.strategies.pairs import Pairs
from tradewright.strategies.registry import strategy_of
from tradewright.strategies.stat_arb import StatArb
from tradewright.strategies.strategy import Rebalance, Strategy
from tradewright.strategies.volatility_target import VolatilityTarget, annual_risk
from tradewright.strategies.volume_momentum import VolumeMomentum

Bars = Mapping[str, Sequence[float] | Sequence[Row]]


def market_of(bars: Bars, *actions: CorporateAction) -> MarketData:
    rows: dict[str, Any] = {
        name: given if isinstance(given[0], tuple) else flat_bars(list(given))  # type: ignore[arg-type]
        for name, given in bars.items()
    }
    return a_market(rows, *actions)


def lived(strategy: Strategy, bars: Bars, *actions: CorporateAction) -> tuple[Result, MarketData]:
    market = market_of(bars, *actions)
    return Backtest(a_spec(market), market, strategy=strategy).run(), market


def told(strategy: Strategy, bars: Bars, *actions: CorporateAction) -> list[tuple[int, str, int]]:
    """Row, instrument and sign of each fill."""
    result, market = lived(strategy, bars, *actions)
    dates = [session.date for session in market.frame.sessions]

    def row(fill: Fill) -> int:
        return dates.index(fill.at.date())

    return [(row(fill), fill.instrument, fill.side.sign) for fill in result.fills]


REVERSION = MeanReversion(window=4, enter=1.4)
FALLS = [100.0, 101.0, 100.0, 101.0, 90.0, 91.0, 92.0, 99.0, 100.0, 100.0]


def test_mean_reversion_buys_the_fall_and_sells_at_the_mean() -> None:
    # The scores are -1.49 at row 4, -0.30 at row 6 and 1.47 at row 7.
    assert told(REVERSION, {"AAA": FALLS}) == [(5, "AAA", 1), (8, "AAA", -1)]


def test_mean_reversion_sells_short_only_if_told_to() -> None:
    rises = [200.0 - price for price in FALLS]
    assert told(REVERSION, {"AAA": rises[:8]}) == []
    both = MeanReversion(window=4, enter=1.4, sides=Sides.BOTH)
    assert told(both, {"AAA": rises}) == [(5, "AAA", -1), (8, "AAA", 1)]


class Held:
    """Columns of one feature, as the array path shows them."""

    def __init__(self, scores: Sequence[float]) -> None:
        self.features = {"zscore_4": np.array([scores]).T}


def test_the_states_of_mean_reversion_say_what_its_decisions_say() -> None:
    columns: Any = Held([np.nan, -1.3, -1.5, 0.0, 0.2])
    states = REVERSION.states(columns)
    assert states.now[:, 0].tolist() == [0, 0, 1, 2, 2]
    assert [(level.flat, level.held) for level in states.levels] == [
        (None, None),
        (0.98, None),
        (None, 0.0),
    ]
    with pytest.raises(ArraysRefused, match="exits by the side it holds"):
        MeanReversion(window=4, enter=1.4, sides=Sides.BOTH).states(columns)


def bars_of(closes: Sequence[float], volumes: Sequence[float]) -> list[Row]:
    return [(c, c, c, c, v) for c, v in zip(closes, volumes, strict=True)]


BREAKOUT = Breakout(window=3)
QUIET = (100.0, 101.0, 100.0)


@pytest.mark.parametrize(
    ("closes", "volumes", "wanted"),
    [
        # 3.1 % above the high of 101 on twice the volume, then below the stop.
        ((*QUIET, 104.2, 104.0, 98.0, 98.0), (1, 1, 1, 2, 1, 1, 1), [(4, 1), (6, -1)]),
        # No stop yet at 99.5, but below the lowest of the three rows before.
        ((*QUIET, 104.2, 104.0, 104.0, 99.5, 99.5), (1, 1, 1, 2, 1, 1, 1, 1), [(4, 1), (7, -1)]),
        ((*QUIET, 104.2, 104.0, 104.0), (1, 1, 1, 1.4, 1, 1), []),
        ((*QUIET, 102.9, 102.0, 102.0), (1, 1, 1, 2, 1, 1), []),
        ((100.0, 112.0, 100.0, 120.0, 120.0), (1, 1, 1, 2, 1), []),
    ],
    ids=["stop", "below the range", "no volume", "not far enough", "no tight range"],
)
def test_a_breakout_needs_a_tight_range_a_margin_and_volume(
    closes: Sequence[float], volumes: Sequence[float], wanted: list[tuple[int, int]]
) -> None:
    bars = bars_of(closes, [v * 1e6 for v in volumes])
    assert told(BREAKOUT, {"AAA": bars}) == [(row, "AAA", sign) for row, sign in wanted]


RISE = (100.0, 100.0, 103.0, 103.0)


@pytest.mark.parametrize(
    ("closes", "wanted"),
    [
        ((103.0, 94.0, 94.0), [(3, 1), (6, -1)]),
        ((103.0, 125.0, 125.0), [(3, 1), (6, -1)]),
        # 5 % off the best close, but above the price paid.
        ((112.0, 106.0, 106.0), [(3, 1), (6, -1)]),
        ((103.0, 103.0, 103.0, 103.0), [(3, 1), (7, -1)]),
        ((103.0, 99.0, 99.0), [(3, 1)]),
    ],
    ids=["stop", "target", "trail", "time", "none of them yet"],
)
def test_volume_momentum_leaves_by_stop_target_trail_or_time(
    closes: Sequence[float], wanted: list[tuple[int, int]]
) -> None:
    rule = VolumeMomentum(window=2, volume=1.5, longest=4)
    prices = [*RISE, *closes]
    volumes = [2e6 if row == 2 else 1e6 for row in range(len(prices))]
    fills = told(rule, {"AAA": bars_of(prices, volumes)})
    assert fills == [(row, "AAA", sign) for row, sign in wanted]


def test_a_split_is_no_loss() -> None:
    rule = VolumeMomentum(window=2, volume=1.5, longest=5)
    volumes = [1e6, 1e6, 2e6, 1e6, 2e6, 2e6, 2e6, 2e6, 2e6]
    bars = bars_of([100.0, 100.0, 103.0, 103.0, 51.5, 51.5, 51.5, 51.5, 51.5], volumes)
    split = Split(AAA, sessions(5)[4].date, Fraction(2))
    # Held for five rows, and not stopped when the price halves.
    assert told(rule, {"AAA": bars}, split) == [(3, "AAA", 1), (8, "AAA", -1)]


def test_a_short_is_stopped_by_a_rise() -> None:
    class Shorts:
        def __init__(self, plan: Strategy, exits: Exits) -> None:
            self.id, self.needs, self.exits = plan.id, plan.needs, exits

        def decide(self, view: Any) -> list[Any]:
            if AAA not in view.holdings:
                return (
                    [Target(self.id, AAA, view.at, -0.5, "short")] if view.equity == 10_000 else []
                )
            why = self.exits.reason(view, 0)
            return [Target(self.id, AAA, view.at, 0.0, why)] if why else []

    for exits, prices in (
        (Exits(stop=0.05), [100.0, 100.0, 104.0, 106.0, 106.0]),
        (Exits(target=0.05), [100.0, 100.0, 96.0, 94.0, 94.0]),
        (Exits(trail=0.05), [100.0, 100.0, 90.0, 95.0, 95.0]),
    ):
        assert told(Shorts(Momentum(), exits), {"AAA": prices}) == [(1, "AAA", -1), (4, "AAA", 1)]


NOISE = np.random.default_rng(3)
B = np.round(50 * np.exp(np.cumsum(NOISE.normal(0, 0.01, 24))), 2)
A = np.round(2 * B * np.exp(0.002 * (-1.0) ** np.arange(24)), 2)


def test_a_pair_is_opened_when_it_parts_and_closed_when_it_meets() -> None:
    dear = A.copy()
    dear[14:17] *= 1.05
    rule = Pairs(window=10, enter=2.0)
    fills = told(rule, {"AAA": dear.tolist(), "BBB": B.tolist()})
    assert fills[:2] == [(15, "AAA", -1), (15, "BBB", 1)]
    assert sorted(fills[2:4]) == [(18, "AAA", 1), (18, "BBB", -1)]
    result, _ = lived(rule, {"AAA": dear.tolist(), "BBB": B.tolist()})
    first = {fill.instrument: float(fill.quantity * fill.price) for fill in result.fills[:2]}
    gross = sum(first.values())
    assert 0.9 < gross / 10_000 < 1.06


def test_a_pair_is_closed_when_it_is_old_or_a_leg_is_gone() -> None:
    dear = A.copy()
    dear[14:] *= np.linspace(1.05, 1.4, 10)
    bars = {"AAA": dear.tolist(), "BBB": B.tolist()}
    fills = told(Pairs(window=10, enter=2.0, longest=3), bars)
    assert fills[:2] == [(15, "AAA", -1), (15, "BBB", 1)]
    assert {row for row, _, _ in fills[2:4]} == {18}


@pytest.mark.parametrize(
    ("wrong", "error", "said"),
    [
        ({"pairs": "AAA"}, InvalidInput, "write it as KO/PEP"),
        ({"pairs": "AAA/AAA"}, InvalidInput, "is not two instruments"),
        ({"pairs": "AAA/BBB,BBB/CCC"}, InvalidInput, "in two pairs"),
        ({"leave": "2"}, InvalidInput, "leave"),
        ({"window": "9"}, InvalidInput, "at least 10"),
        ({"longest": "0"}, InvalidInput, "at least 1"),
        ({"invested": "1.1"}, InvalidInput, "fraction"),
    ],
)
def test_pairs_that_are_none_are_refused(
    wrong: Mapping[str, str], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        strategy_of("pairs", wrong)


def test_a_pair_outside_the_universe_is_refused() -> None:
    with pytest.raises(UnknownName, match="instrument of a pair: 'KO' is not known"):
        told(Pairs(pairs="AAA/KO", window=10), {"AAA": A.tolist(), "BBB": B.tolist()})


MARKET = np.cumsum(NOISE.normal(0, 0.01, 40))
NAMES = ("AAA", "BBB", "CCC", "DDD")
SHARES = {
    name: np.round(100 * np.exp(beta * MARKET + 0.001 * (-1.0) ** np.arange(40)), 2)
    for name, beta in zip(NAMES, (1.0, 0.5, 1.5, 0.8), strict=True)
}


def test_what_lags_the_market_is_bought_against_its_beta() -> None:
    shares = {name: column.copy() for name, column in SHARES.items()}
    shares["CCC"][30:] *= 0.95
    rule = StatArb(market="AAA", window=20, enter=1.5, stop=9.0, slots=2)
    result, market = lived(rule, {name: column.tolist() for name, column in shares.items()})
    opened = next(fill for fill in result.fills if fill.instrument == "CCC")
    assert market.frame.sessions[31].date == opened.at.date()
    assert opened.side.sign == 1
    (hedge,) = [fill for fill in result.fills if fill.instrument == "AAA" and fill.at == opened.at]
    worth = float(hedge.quantity * hedge.price) / float(opened.quantity * opened.price)
    assert hedge.side.sign == -1
    assert 1.0 < worth < 2.0


@pytest.mark.parametrize(
    ("stop", "rows"),
    [
        # Bought as it lags, and kept through a score of -3.69 to the mean.
        (9.0, [21, 30]),
        # The score of -3.69 is row 22's; bought again when it is -1.60, in row 23.
        (2.5, [21, 23, 24, 30]),
    ],
)
def test_what_runs_further_than_the_stop_is_given_up(stop: float, rows: list[int]) -> None:
    shares = {name: column.copy() for name, column in SHARES.items()}
    shares["CCC"][3:] *= 1.05
    shares["CCC"][22:] /= 1.05
    rule = StatArb(market="AAA", window=20, enter=1.2, leave=0.1, stop=stop, slots=2)
    fills = told(rule, {name: column.tolist() for name, column in shares.items()})
    assert [row for row, name, _ in fills if name == "CCC"] == rows
    assert [sign for _, name, sign in fills if name == "CCC"] == [1, -1] * (len(rows) // 2)


def test_a_market_outside_the_universe_is_refused() -> None:
    with pytest.raises(UnknownName, match="market: 'SPY' is not known"):
        told(StatArb(market="SPY", window=10), {name: c.tolist() for name, c in SHARES.items()})


class Says:
    """A strategy that always wishes for the same, or only while nothing is held."""

    def __init__(self, weights: Mapping[str, float], *, once: bool = False) -> None:
        plan = Momentum(lookback=2, skip=0)
        self.id, self.needs = plan.id, plan.needs
        self.weights, self.once = weights, once

    def decide(self, view: Any) -> list[Any]:
        if self.once and view.holdings:
            return []
        return [
            Target(self.id, name, view.at, self.weights[name], "as ever")
            for name in view.universe
            if name in self.weights
        ]


TWO = {"AAA": A.tolist(), "BBB": B.tolist()}


def weights_at_end(strategy: Strategy, bars: Bars) -> dict[str, float]:
    result, market = lived(strategy, bars)
    assert result.final_equity is not None
    last = market.frame.close[-1].tolist()
    return {
        name: float(position.quantity) * last[market.frame.index(name)] / float(result.final_equity)
        for name, position in result.book.positions.items()
    }


def test_members_are_mixed_by_weight_where_they_have_an_opinion() -> None:
    members = (
        Member(Says({"AAA": 0.8}), 3.0),
        Member(Says({"AAA": 0.4, "BBB": 0.2}, once=True), 1.0),
    )
    rule = Ensemble(members, window=3, rebalance=Rebalance.DAY)
    held = weights_at_end(rule, TWO)
    assert held["AAA"] == pytest.approx((3 * 0.8 + 0.4) / 4, abs=0.02)
    assert held["BBB"] == pytest.approx(0.2, abs=0.02)


def test_the_mix_is_scaled_down_to_what_may_be_invested() -> None:
    members = (Member(Says({"AAA": 0.9})), Member(Says({"BBB": 0.9})))
    held = weights_at_end(Ensemble(members, window=3, rebalance=Rebalance.DAY, invested=0.6), TWO)
    assert held["AAA"] == pytest.approx(0.3, abs=0.02)
    assert held["BBB"] == pytest.approx(0.3, abs=0.02)


def test_by_risk_the_calmer_member_has_the_louder_voice() -> None:
    calm = np.round(100 * np.exp(np.cumsum(NOISE.normal(0, 0.005, 24))), 2)
    wild = np.round(100 * np.exp(np.cumsum(NOISE.normal(0, 0.05, 24))), 2)
    bars = {"AAA": calm.tolist(), "BBB": wild.tolist()}
    both = (Member(Says({"AAA": 0.5, "BBB": 0.0})), Member(Says({"AAA": 0.0, "BBB": 0.5})))
    fixed, risk = (
        weights_at_end(Ensemble(both, allocation, 10, rebalance=Rebalance.DAY), bars)
        for allocation in (Allocation.FIXED, Allocation.RISK)
    )
    assert risk["AAA"] > 1.5 * fixed["AAA"]
    assert risk["BBB"] < fixed["BBB"] / 1.5


def tried(allocation: Allocation, *closes: Sequence[float]) -> dict[str, float]:
    """What two members hold at the end that wish for one name each, half the account."""
    bars = dict(
        zip(("AAA", "BBB"), ([round(c, 2) for c in column] for column in closes), strict=True)
    )
    both = (Member(Says({"AAA": 0.5, "BBB": 0.0})), Member(Says({"AAA": 0.0, "BBB": 0.5})))
    return weights_at_end(Ensemble(both, allocation, 10, rebalance=Rebalance.DAY), bars)


RISES = [100 * 1.01**i * (1.002 if i % 2 else 1.0) for i in range(24)]
FADES = [100 * 0.99**i * (1.002 if i % 2 else 1.0) for i in range(24)]
SWINGS = [100 * 1.01**i * (1.04 if i % 2 else 1.0) for i in range(24)]


def test_by_volatility_the_member_that_would_have_swung_less_has_the_louder_voice() -> None:
    held = tried(Allocation.VOLATILITY, RISES, SWINGS)
    assert held["AAA"] > 4 * held["BBB"] > 0


def test_by_sharpe_a_member_that_would_have_lost_has_no_voice() -> None:
    held = tried(Allocation.SHARPE, RISES, FADES)
    assert held["AAA"] == pytest.approx(0.5, abs=0.02)
    assert "BBB" not in held
    held = tried(Allocation.SHARPE, RISES, SWINGS)
    assert held["AAA"] > 4 * held["BBB"] > 0


def test_where_all_members_would_have_lost_they_speak_as_loud_as_given() -> None:
    falls = [c * (1.0 if i % 3 else 0.999) for i, c in enumerate(FADES)]
    assert tried(Allocation.SHARPE, FADES, falls) == tried(Allocation.FIXED, FADES, falls)


def test_what_only_a_member_without_a_voice_holds_is_let_go() -> None:
    # Both rise at first; what the second alone speaks of is let go once it would have lost.
    turns = [*RISES[:12], *(RISES[11] * 0.95**i for i in range(1, 13))]
    bars = {"AAA": [round(c, 2) for c in RISES], "BBB": [round(c, 2) for c in turns]}
    both = (Member(Says({"AAA": 0.5})), Member(Says({"BBB": 0.5})))
    rule = Ensemble(both, Allocation.SHARPE, 5, rebalance=Rebalance.DAY)
    signs = {name: [s for _, n, s in told(rule, bars) if n == name] for name in bars}
    assert signs["BBB"][0] == 1
    assert signs["BBB"][-1] == -1
    assert set(weights_at_end(rule, bars)) == {"AAA"}


def test_volatility_is_brought_to_the_target_and_borrowing_is_bounded() -> None:
    rule = VolatilityTarget(Says({"AAA": 0.3, "BBB": 0.1}), annual=0.10, window=10)
    held = weights_at_end(rule, TWO)
    assert held["AAA"] / held["BBB"] == pytest.approx(3.0, rel=0.1)
    prices = np.array([A, B]).T[-12:-1]
    at_target = annual_risk(prices, np.array([held["AAA"], held["BBB"]]))
    assert at_target == pytest.approx(0.10, rel=0.05)
    bounded = VolatilityTarget(Says({"AAA": 0.3}), annual=5.0, window=10, most=0.5)
    assert weights_at_end(bounded, TWO)["AAA"] == pytest.approx(0.5, abs=0.03)


def test_a_portfolio_that_is_let_go_is_let_go() -> None:
    rule = VolatilityTarget(MovingAverageCross(fast=2, slow=4), window=4)
    prices = [100.0, 101.0, 102.0, 104.0, 107.0, 109.0, 108.0, 104.0, 99.0, 95.0, 95.0]
    fills = told(rule, {"AAA": prices})
    assert fills[0][2] == 1
    result, _ = lived(rule, {"AAA": prices})
    assert not result.book.positions


@pytest.mark.parametrize(
    ("name", "wrong", "said"),
    [
        ("ensemble", {"members": "momentum,momentum"}, "named twice"),
        ("ensemble", {"members": "momentum:0"}, "must be positive"),
        ("ensemble", {"members": "momentum:x"}, "is not a number"),
        ("ensemble", {"members": "momentum", "sma-cross.fast": "5"}, "is not known"),
        ("ensemble", {"members": "momentum,sma-cross", "sma-cross.timeframe": "minute"}, "several"),
        (
            "ensemble",
            {"members": "sma-cross", "sma-cross.timeframe": "minute", "allocation": "sharpe"},
            "needs daily bars",
        ),
        ("ensemble", {"allocation": "luck"}, "choose one of: fixed, risk, volatility, sharpe"),
        ("ensemble", {"members": "martingale"}, "strategy: 'martingale' is not known"),
        ("ensemble", {"invested": "2"}, "fraction"),
        ("ensemble", {"window": "1"}, "at least 2"),
        ("volatility-target", {"of": "sma-cross", "of.timeframe": "minute"}, "not asked daily"),
        ("volatility-target", {"of.botom": "1"}, "momentum parameter: 'botom'"),
        ("volatility-target", {"annual": "0"}, "must be positive"),
        ("volatility-target", {"window": "1"}, "at least 2"),
        ("mean-reversion", {"enter": "5"}, "no score of 20 rows is larger"),
        ("mean-reversion", {"invested": "0"}, "fraction"),
        ("breakout", {"beyond": "-1"}, "must not be negative"),
        ("breakout", {"tight": "0"}, "must be positive"),
        ("breakout", {"invested": "0"}, "fraction"),
        ("breakout", {"stop": "1"}, "stop: 1.0 must be a fraction"),
        ("volume-momentum", {"volume": "-1"}, "must not be negative"),
        ("volume-momentum", {"invested": "0"}, "fraction"),
        ("volume-momentum", {"target": "0"}, "must be positive"),
        ("volume-momentum", {"longest": "0"}, "at least 1"),
        ("stat-arb", {"stop": "1"}, "must rise from 0 on"),
        ("stat-arb", {"window": "9"}, "at least 10"),
        ("stat-arb", {"slots": "0"}, "at least 1"),
        ("stat-arb", {"invested": "0"}, "fraction"),
    ],
)
def test_what_makes_no_sense_is_refused(name: str, wrong: Mapping[str, str], said: str) -> None:
    with pytest.raises((InvalidInput, UnknownName), match=said):
        strategy_of(name, wrong)
