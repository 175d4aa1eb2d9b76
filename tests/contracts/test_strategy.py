"""The promise of every strategy that ships: it sees the past alone, and forgets nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from tests.architecture.tree import ROOT
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.choice import Way, run_backtest
from tradewright.bootstrap import load_market
from tradewright.core.errors import ArraysRefused, InvalidInput, UnknownName
from tradewright.core.signals import Target
from tradewright.data.history import MarketData
from tradewright.engine.run import RunSpec
from tradewright.risk.limits import Limits
from tradewright.strategies.registry import STRATEGIES, parameters_of, strategy_of
from tradewright.strategies.strategy import MarketView, Stateful, Strategy, Weighing

ROWS = 400
CASES: Sequence[tuple[str, Mapping[str, str]]] = (
    ("breakout", {"window": "10", "tight": "0.2", "beyond": "0.005", "volume": "1"}),
    ("ensemble", {"members": "mean-reversion:2,sma-cross", "sma-cross.fast": "5"}),
    ("ensemble", {"members": "momentum,volume-momentum", "allocation": "risk"}),
    ("ensemble", {"members": "sma-cross,volume-momentum", "allocation": "volatility"}),
    ("ensemble", {"members": "momentum,mean-reversion", "allocation": "sharpe", "window": "40"}),
    ("mean-reversion", {}),
    ("mean-reversion", {"sides": "both", "window": "10"}),
    ("momentum", {"lookback": "60", "rebalance": "week"}),
    ("pairs", {"enter": "1.5"}),
    ("pairs", {"pairs": "SIM02/SIM05,SIM03/SIM01", "window": "30", "longest": "10"}),
    ("sma-cross", {}),
    ("stat-arb", {"slots": "4"}),
    ("stat-arb", {"market": "SIM01", "window": "30", "stop": "2.5"}),
    ("volatility-target", {"of": "sma-cross", "of.slow": "40", "rebalance": "week"}),
    ("volume-momentum", {"longest": "5"}),
)
IDS = [" ".join([name, *(f"{k}={v}" for k, v in given.items())]) for name, given in CASES]
every_case = pytest.mark.parametrize(("name", "parameters"), CASES, ids=IDS)
every_name = pytest.mark.parametrize("name", STRATEGIES)


class Watched:
    """Asks a strategy, anew for every row if wanted, and notes what it says."""

    def __init__(self, name: str, parameters: Mapping[str, str], *, anew: bool = False) -> None:
        self._name, self._parameters = name, parameters
        self._anew = anew
        self._inner = self._made()
        self.id, self.needs = self._inner.id, self._inner.needs
        self.said: list[Target] = []

    def _made(self) -> Strategy:
        return strategy_of(self._name, self._parameters)

    def decide(self, view: MarketView) -> Sequence[Target]:
        asked = self._made() if self._anew else self._inner
        targets = asked.decide(view)
        names = [target.instrument for target in targets]
        assert len(set(names)) == len(names)
        assert set(names) <= set(view.universe)
        assert all(target.at == view.at and target.strategy == self.id for target in targets)
        self.said += targets
        return targets


@cache
def whole() -> MarketData:
    market = load_market(None)
    return replace(market, frame=market.frame.rows(0, ROWS))


def run(strategy: Any, market: MarketData, last: date | None = None) -> Result:
    frame = market.frame
    spec = RunSpec(
        "watched",
        {},
        frame.session_of(strategy.needs.rows).date,
        last or frame.session_of(len(frame) - 1).date,
        Decimal(100_000),
        Limits(),
    )
    return Backtest(spec, market, strategy=strategy).run()


def orders(result: Result, until: datetime) -> list[Any]:
    found = [state.order for state in result.orders.values()]
    return [order for order in found if order.decided_at <= until]


def test_every_strategy_has_a_case_here() -> None:
    assert {name for name, _ in CASES} == set(STRATEGIES)


@every_name
def test_a_strategy_needs_no_parameters_and_keeps_its_name(name: str) -> None:
    strategy = strategy_of(name, {})
    assert strategy.id == name
    assert strategy.needs.rows >= 1


@every_case
def test_a_strategy_trades_and_says_why(name: str, parameters: Mapping[str, str]) -> None:
    watched = Watched(name, parameters)
    result = run(watched, whole())
    assert len(result.fills) > 10
    assert all(target.reason and abs(target.weight) <= 1 for target in watched.said)
    # Bought at the close before, and grown since: a little more than all is no borrowing.
    assert float((result.invested / result.equity).max()) < 1.1
    assert result.fills == run(strategy_of(name, parameters), whole()).fills


@every_case
def test_a_restart_at_any_row_changes_nothing(name: str, parameters: Mapping[str, str]) -> None:
    kept, restarted = Watched(name, parameters), Watched(name, parameters, anew=True)
    assert run(kept, whole()).fills == run(restarted, whole()).fills
    assert kept.said == restarted.said


@every_case
def test_what_is_decided_does_not_depend_on_what_follows(
    name: str, parameters: Mapping[str, str]
) -> None:
    market, stop = whole(), 333
    cut = replace(market, frame=market.frame.rows(0, stop))
    known = market.frame.known(stop - 2)
    decided = orders(run(strategy_of(name, parameters), market), known)
    assert decided
    assert decided == orders(run(strategy_of(name, parameters), cut), known)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [case for case in CASES if isinstance(strategy_of(*case), Stateful | Weighing)],
)
def test_over_columns_it_trades_the_same(name: str, parameters: Mapping[str, str]) -> None:
    market = whole()
    first = market.frame.session_of(strategy_of(name, parameters).needs.rows).date
    last = market.frame.session_of(ROWS - 1).date
    spec = RunSpec(name, parameters, first, last, Decimal(100_000), Limits())
    if parameters.get("sides") == "both":
        with pytest.raises(ArraysRefused, match="by the side it holds"):
            run_backtest(spec, market, Way.ARRAYS)
        return
    events, arrays = run_backtest(spec, market), run_backtest(spec, market, Way.ARRAYS)
    assert events.fills == arrays.fills
    assert dict(events.orders) == dict(arrays.orders)
    assert events.final_equity == arrays.final_equity


@every_name
def test_a_strategy_refuses_what_is_no_parameter_of_it(name: str) -> None:
    with pytest.raises(UnknownName, match=f"{name} parameter: 'botom' is not known"):
        strategy_of(name, {"botom": "1"})


@every_name
def test_a_strategy_refuses_numbers_that_are_none(name: str) -> None:
    numbers = [key for key, kind in parameters_of(STRATEGIES[name]).items() if kind is float]
    for key in numbers:
        for text in ("nan", "inf", "much"):
            with pytest.raises(InvalidInput, match=rf"{name}\.{key}: '{text}'"):
                strategy_of(name, {key: text})


@every_name
def test_the_paper_names_every_parameter_and_default(name: str) -> None:
    page = (ROOT / "docs" / "strategies.md").read_text(encoding="utf-8")
    (section,) = re.findall(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    for heading in ("Rule", "Source", "Mind"):
        assert f"**{heading}.**" in section
    rows = dict(re.findall(r"^\| `([\w-]+)` \| ([^|]*) \|", section, re.MULTILINE))
    kind = STRATEGIES[name]
    fields = {f.name: f.default for f in kind.__dataclass_fields__.values()}
    told = {key: str(fields[key]) or "empty" for key in parameters_of(kind)}
    assert {key: value for key, value in rows.items() if key in told} == told
    assert set(rows) - set(told) <= {"of", "of.NAME", "members", "MEMBER.NAME"}
