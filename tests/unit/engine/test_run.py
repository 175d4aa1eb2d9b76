"""A spec is everything that makes a run reproducible."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import a_market, a_spec, dec, flat_bars
from tradewright.core.errors import InvalidInput, MissingData, UnknownName
from tradewright.core.session import Timeframe
from tradewright.engine.run import Rows, assemble, rows_of
from tradewright.portfolio.construct import Construction
from tradewright.portfolio.sizing import VolatilityTarget
from tradewright.risk.limits import Limits
from tradewright.strategies.momentum import Momentum

MARKET = a_market({"AAA": flat_bars([100.0] * 6)})
SPEC = a_spec(MARKET)
DAYS = [session.date for session in MARKET.frame.sessions]


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "sma-cross"},
        {"parameters": {"top": "2"}},
        {"first": DAYS[2]},
        {"last": DAYS[4]},
        {"capital": dec("10000.01")},
        {"limits": Limits(max_order_notional=dec(1))},
        {"commission": "ib-fixed"},
        {"slippage_bps": dec(1)},
        {"volume_share": dec("0.1")},
        {"construction": Construction(min_trade=dec(1))},
        {"construction": Construction(VolatilityTarget())},
        {"timeframe": Timeframe.MINUTE},
        {"data": "elsewhere"},
    ],
    ids=str,
)
def test_any_other_fact_is_another_run(changes: Mapping[str, Any]) -> None:
    assert replace(SPEC, **changes).hash != SPEC.hash


def test_equal_specs_have_one_hash_and_are_plain_json() -> None:
    assert a_spec(MARKET).hash == SPEC.hash
    body = json.loads(json.dumps(SPEC.body()))
    assert (body["first"], body["capital"]) == ("2024-01-03", "10000")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"first": date(2024, 2, 1)}, "last: .* is before first"),
        ({"capital": Decimal(0)}, "capital: .* must be positive"),
        ({"capital": Decimal(-1)}, "capital"),
    ],
)
def test_a_run_without_time_or_money_is_refused(changes: Mapping[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        a_spec(MARKET, **changes)


@pytest.mark.parametrize(
    ("first", "last", "rows"),
    [
        (DAYS[1], DAYS[5], Rows(1, 5)),
        (DAYS[0], DAYS[5], Rows(1, 5)),
        (DAYS[2], DAYS[2], Rows(2, 2)),
        # Saturday to Sunday of the year after: what there is of it.
        (date(2024, 1, 6), date(2025, 1, 5), Rows(4, 5)),
        (date(2000, 1, 1), DAYS[3], Rows(1, 3)),
    ],
)
def test_the_rows_of_a_run(first: date, last: date, rows: Rows) -> None:
    assert rows_of(a_spec(MARKET, first=first, last=last), MARKET) == rows
    assert rows.decides == range(rows.first - 1, rows.last)


def test_rows_of_sessions_with_several_bars() -> None:
    market = a_market({"AAA": flat_bars([100.0] * 6)}, per_session=3)
    day = market.frame.sessions[1].date
    spec = a_spec(market, first=day, last=day, timeframe=Timeframe.MINUTE)
    assert rows_of(spec, market) == Rows(3, 5)


@pytest.mark.parametrize(
    ("first", "last"),
    [(date(2023, 1, 1), date(2023, 12, 31)), (date(2024, 1, 6), date(2024, 1, 7))],
)
def test_a_span_without_bars_is_missing(first: date, last: date) -> None:
    with pytest.raises(
        MissingData, match=r"no bars between .* \(there are 2024-01-02\.\.2024-01-09\)"
    ):
        rows_of(a_spec(MARKET, first=first, last=last), MARKET)


def test_one_row_leaves_nothing_to_decide_on() -> None:
    one = a_market({"AAA": flat_bars([100.0])})
    with pytest.raises(MissingData, match="leaves nothing to decide on"):
        rows_of(a_spec(one), one)


def test_a_strategy_of_other_bars_is_refused() -> None:
    spec = a_spec(MARKET, strategy="sma-cross", parameters={"timeframe": "minute"})
    with pytest.raises(InvalidInput, match=r"is not what sma-cross needs \(minute\); load minute"):
        assemble(spec, MARKET, rows_of(spec, MARKET))


def test_an_unknown_strategy_is_refused() -> None:
    with pytest.raises(UnknownName):
        a_spec(MARKET, strategy="martingale").build_strategy()


def test_a_spec_builds_its_strategy_and_its_venue() -> None:
    spec = a_spec(MARKET, parameters={"top": "2"}, slippage_bps=dec(3), volume_share=dec("0.2"))
    strategy = spec.build_strategy()
    assert isinstance(strategy, Momentum)
    assert strategy.top == 2
    model = spec.venue_model()
    assert model.volume_share == dec("0.2")
    assert model.costs.commission.fee(dec(0), dec(1), dec(1)) == 0
