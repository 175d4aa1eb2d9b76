"""What a set comes to is the same by both engines, and what goes wrong with one set stays there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.builders import a_spec, dec
from tradewright.analytics.returns import performance
from tradewright.backtest.choice import Way, run_backtest
from tradewright.backtest.search.evaluation import (
    Evaluation,
    longest_set,
    settled_way,
)
from tradewright.backtest.search.space import Space, parameters_of
from tradewright.backtest.search.trials import State
from tradewright.backtest.summary import session_curve, summary
from tradewright.bootstrap import load_market
from tradewright.core.errors import ArraysRefused, InvalidInput, UnknownName
from tradewright.core.session import Timeframe
from tradewright.data.history import MarketData
from tradewright.engine.named import strategy_file

SETS = [{"fast": str(fast), "slow": str(slow)} for fast in (3, 8) for slow in (20, 35)]
BREAKS = """
from dataclasses import dataclass, field
from tradewright import MarketView, Needs, StrategyId, Target

@dataclass(frozen=True)
class Mine:
    part: float = 0.5
    id: StrategyId = field(default=StrategyId("mine"))

    @property
    def needs(self) -> Needs:
        return Needs()

    def decide(self, view: MarketView) -> list[Target]:
        if self.part > 1:
            raise ZeroDivisionError("too much")
        return [Target(self.id, view.universe[0], view.at, self.part)]
"""


@pytest.fixture(scope="module")
def market() -> MarketData:
    return load_market(None, symbols=("SIM01", "SIM02", "SIM03"), timeframe=Timeframe.DAY)


def a_job(market: MarketData, way: Way, **changes: object) -> Evaluation:
    days = [session.date for session in market.frame.sessions]
    spec = a_spec(
        market, strategy="sma-cross", first=days[40], last=days[300], capital=dec("100000.50")
    )
    whole = bool(changes.pop("whole", False))
    return Evaluation(replace(spec, **changes), market, way, whole)  # type: ignore[arg-type]


@pytest.mark.parametrize("strategy", ["sma-cross", "momentum", "mean-reversion"])
def test_both_engines_give_equal_objectives(market: MarketData, strategy: str) -> None:
    sets: list[Mapping[str, str]] = list(SETS)
    if strategy != "sma-cross":
        sets = [{"invested": invested} for invested in ("0.5", "0.9")]
    changes = {"strategy": strategy, "commission": "ib-fixed", "slippage_bps": dec(2)}
    arrays = a_job(market, Way.ARRAYS, **changes)(sets)
    events = a_job(market, Way.EVENTS, **changes)(sets)
    assert len(arrays) == len(events) == len(sets)
    for ours, engine in zip(arrays, events, strict=True):
        assert ours.state is engine.state is State.DONE
        assert ours.measures.keys() == engine.measures.keys()
        for name, value in engine.measures.items():
            assert ours.measures[name] == pytest.approx(value, rel=1e-9, abs=1e-12), name
        assert ours.returns is not None
        assert engine.returns is not None
        np.testing.assert_allclose(ours.returns, engine.returns, rtol=1e-9, atol=1e-12)
    assert {one.measures["fills"] for one in events} != {0}


@pytest.mark.parametrize("way", [Way.EVENTS, Way.AUTO])
def test_an_outcome_is_what_the_run_itself_says(market: MarketData, way: Way) -> None:
    job = a_job(market, way, whole=True, commission="ib-fixed")
    (outcome,) = job(SETS[:1])
    result = run_backtest(replace(job.spec, parameters=SETS[0]), market)
    said = summary("run", result, market)
    for name, value in outcome.measures.items():
        told = len(result.refusals) if name == "refusals" else float(str(said[name]))
        assert value == pytest.approx(told, rel=1e-12), name
    assert {"turnover", "fees", "dividends"} <= outcome.measures.keys()
    curve = session_curve(result, market)
    assert outcome.returns is not None
    assert len(outcome.returns) == curve.sessions
    assert outcome.measures["sharpe"] == performance(curve.equity).sharpe


@pytest.mark.parametrize("way", [Way.EVENTS, Way.AUTO, Way.ARRAYS])
def test_a_refused_set_does_not_spoil_the_others(market: MarketData, way: Way) -> None:
    sets = [SETS[0], {"fast": "9", "slow": "5"}, SETS[1], {"fast": "x", "slow": "5"}]
    outcomes = a_job(market, way)(sets)
    assert [one.state.value for one in outcomes] == ["done", "refused", "done", "refused"]
    assert "must lie in [1, 5)" in outcomes[1].reason
    assert outcomes[1].returns is None
    alone = a_job(market, way)([SETS[1]])[0]
    assert dict(outcomes[2].measures) == dict(alone.measures)


def test_code_that_breaks_costs_its_own_set(market: MarketData, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(BREAKS)
    file = strategy_file(str(path))
    assert file is not None
    job = a_job(market, Way.EVENTS, strategy=str(path), strategy_sha256=file.sha256)
    outcomes = job([{"part": "0.5"}, {"part": "2"}])
    assert [one.state.value for one in outcomes] == ["done", "failed"]
    assert outcomes[1].reason == "ZeroDivisionError: too much"
    path.write_text(BREAKS.replace("0.5", "0.6"))
    with pytest.raises(InvalidInput, match="is not the file that the search began with"):
        job([{"part": "0.5"}])


def test_the_way_is_settled_once(market: MarketData, tmp_path: Path) -> None:
    spec = a_job(market, Way.AUTO).spec
    assert settled_way(Way.AUTO, spec, market) is Way.AUTO
    assert settled_way(Way.EVENTS, spec, market) is Way.EVENTS
    path = tmp_path / "mine.py"
    path.write_text(BREAKS)
    own = replace(spec, strategy=str(path))
    assert settled_way(Way.AUTO, own, market) is Way.EVENTS
    with pytest.raises(ArraysRefused, match="does not say its targets"):
        settled_way(Way.ARRAYS, own, market)


def a_space(*texts: str) -> Space:
    return Space(parameters_of(texts))


def test_the_set_that_looks_back_the_furthest_says_when_all_begin() -> None:
    space = a_space("fast=5:50:5", "slow=20,50,100")
    assert longest_set("sma-cross", {}, space)["slow"] == "100"
    assert longest_set("momentum", {}, a_space("lookback=int:20:300"))["lookback"] == "300"
    with pytest.raises(UnknownName, match="fastt"):
        longest_set("sma-cross", {}, a_space("fastt=1,2"))
    with pytest.raises(InvalidInput, match="must lie in"):
        longest_set("sma-cross", {}, a_space("fast=60,70"))


def test_pieces_hold_more_where_a_set_is_quick(market: MarketData) -> None:
    assert a_job(market, Way.EVENTS).at_once == 1
    assert a_job(market, Way.AUTO, whole=True).at_once == 1
    assert a_job(market, Way.AUTO).at_once == 256
