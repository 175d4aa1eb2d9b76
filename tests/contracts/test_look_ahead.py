"""No strategy that ships looks ahead, by the events or over columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cache

import pytest

from tests.contracts.test_strategy import CASES, IDS
from tradewright.backtest.choice import Way
from tradewright.backtest.validation.lookahead import find_leaks
from tradewright.backtest.validation.worlds import Future
from tradewright.bootstrap import load_market
from tradewright.data.history import MarketData
from tradewright.engine.run import RunSpec
from tradewright.risk.limits import Limits
from tradewright.strategies.registry import STRATEGIES, strategy_of
from tradewright.strategies.strategy import Stateful, Weighing

ROWS = 340
CUTS = 3


@cache
def market() -> MarketData:
    whole = load_market(None)
    return replace(whole, frame=whole.frame.rows(0, ROWS))


@pytest.mark.parametrize(("name", "parameters"), CASES, ids=IDS)
def test_no_strategy_that_ships_looks_ahead(name: str, parameters: Mapping[str, str]) -> None:
    strategy = strategy_of(name, parameters)
    frame = market().frame
    first = frame.session_of(strategy.needs.rows).date
    last = frame.session_of(ROWS - 1).date
    spec = RunSpec(name, parameters, first, last, Decimal(100_000), Limits())
    found = find_leaks(spec, market(), cuts=CUTS)
    assert found.leaks == ()
    over_columns = isinstance(strategy, Stateful | Weighing) and parameters.get("sides") != "both"
    assert found.ways == ((Way.EVENTS, Way.ARRAYS) if over_columns else (Way.EVENTS,))
    assert found.runs == len(found.ways) * (1 + CUTS * len(Future))


def test_none_is_left_out() -> None:
    assert {name for name, _ in CASES} == set(STRATEGIES)
