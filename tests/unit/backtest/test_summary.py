from __future__ import annotations

import json
import math
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.unit.backtest.builders import (
    CLOSES,
    EQUITY,
    A,
    B,
    a_market,
    a_paper_side,
    a_refusal,
    a_result,
    an_order,
)
from tradewright.analytics.returns import sharpe, simple_returns
from tradewright.backtest.summary import (
    annual_turnover,
    session_curve,
    summary,
    traded_value,
)
from tradewright.core.decisions import RefusalCode
from tradewright.core.orders import OrderStatus
from tradewright.execution.reconcile import Difference

METRICS = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_numbers_of_a_run_by_hand() -> None:
    market = a_market()
    body: dict[str, Any] = summary("r1", a_result(market), market)
    assert body["total_return"] == pytest.approx(0.089)
    assert body["max_drawdown"] == pytest.approx(0.1)
    assert body["sharpe"] == pytest.approx(sharpe(simple_returns(np.array(EQUITY))))
    assert body["hit_rate"] == pytest.approx(2 / 3)
    # 10 × 11 bought and 10 × 12 sold over four sessions on a mean equity of 1,033.80.
    assert body["turnover"] == pytest.approx(230 / 2 / 1033.8 * 252 / 4)
    assert (body["symbols"], body["sessions"], body["orders"], body["fills"]) == (2, 4, 2, 2)


def test_amounts_are_exact_strings() -> None:
    market = a_market()
    body = summary("r1", a_result(market), market)
    assert body["final_equity"] == "1089.000"
    assert (body["capital"], body["fees"], body["dividends"]) == ("1000", "2.01", "0.5")


def test_what_is_unknown_is_null_and_never_nan() -> None:
    market = a_market()
    flat = a_result(market, equity=np.full(5, 1000.0), final_equity=None, fills=[])
    body = summary("r1", flat, market, seconds={"load": math.nan})
    assert body["final_equity"] is None
    assert body["sharpe"] is None
    assert body["seconds"] == {"load": None}
    assert "NaN" not in json.dumps(body, allow_nan=False)


def test_refusals_are_counted_by_code() -> None:
    market = a_market()
    refused = [a_refusal(3), a_refusal(4), a_refusal(5, RefusalCode.MARKET_CLOSED)]
    body = summary("r1", a_result(market, refusals=refused), market)
    assert body["refusals"] == {"market_closed": 1, "order_size": 2}


def test_intraday_equity_is_reduced_to_sessions_and_keeps_its_opening_value() -> None:
    market = a_market(closes=[*CLOSES, [7.0, 55.0]], rows_a_session=3)
    equity = np.array([1000.0, 1010.0, 1020.0, 900.0, 950.0, 1071.0])
    result = a_result(market, times=market.frame.end, equity=equity, invested=equity / 2)
    curve = session_curve(result, market)
    assert curve.equity.tolist() == [1000, 1020, 1071]
    assert curve.invested.tolist() == [500, 510, 535.5]
    assert [day.isoformat() for day in curve.dates] == ["2020-01-30", "2020-01-30", "2020-01-31"]
    assert curve.sessions == 2


def test_run_that_begins_late_in_the_market_finds_its_rows() -> None:
    market = a_market()
    result = a_result(market, times=market.frame.end[2:], equity=np.array(EQUITY[2:]))
    curve = session_curve(replace(result, invested=np.zeros(3)), market)
    assert curve.rows.tolist() == [2, 3, 4]
    assert curve.dates[0].isoformat() == "2020-02-01"


def test_multiplier_counts_in_what_was_traded() -> None:
    market = a_market()
    fills = a_result(market).fills
    assert traded_value(fills, market) == 230
    instruments = {A: replace(market.instruments[A], multiplier=Decimal(100)), B: None}
    grown = replace(market, instruments=instruments)  # type: ignore[arg-type]
    assert traded_value(fills, grown) == 23_000


def test_turnover_of_nothing() -> None:
    assert annual_turnover(Decimal(0), np.array([1.0, 1.0])) == 0
    assert math.isnan(annual_turnover(Decimal(5), np.array([1.0])))
    assert math.isnan(annual_turnover(Decimal(5), np.array([1.0, -3.0])))


def test_paper_side_is_told_only_when_there_is_one() -> None:
    market = a_market()
    result = a_result(market)
    assert "parity" not in summary("r1", result, market)
    paper = a_paper_side(result, refusals=[a_refusal(9)])
    body: dict[str, Any] = summary("r1", result, market, paper=paper)
    assert body["parity"] is True
    assert body["reconciled"] is True
    assert body["paper"] == {
        "sessions": 2,
        "orders": 2,
        "fills": 2,
        "refusals": {"order_size": 1},
    }


def test_books_that_differ_are_not_reconciled() -> None:
    result = a_result(a_market())
    paper = a_paper_side(result, differences=(Difference("cash", Decimal(1), Decimal(2)),))
    assert not paper.reconciled


def test_order_that_is_missing_extra_or_other_breaks_parity() -> None:
    result = a_result(a_market())
    one, two = result.orders.values()
    more = an_order(7)
    other = replace(one, order=replace(one.order, instrument=B))
    for orders in (
        {one.order.id: one},
        {**result.orders, more.id: replace(one, order=more)},
        {one.order.id: other, two.order.id: two},
        {},
    ):
        assert not a_paper_side(result, orders=orders).parity


def test_fate_of_an_order_is_not_a_matter_of_parity() -> None:
    result = a_result(a_market())
    orders = {k: replace(s, status=OrderStatus.CANCELED) for k, s in result.orders.items()}
    assert a_paper_side(result, orders=orders).parity


def test_every_key_is_in_the_papers() -> None:
    market = a_market()
    result = a_result(market)
    body = summary("r1", result, market, paper=a_paper_side(result))
    text = METRICS.read_text(encoding="utf-8")
    assert [key for key in body if f"| `{key}` |" not in text] == []
