"""Interest on borrowed shares and cash in a backtest, by hand; and costs by part afterwards."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.builders import WIDE, Planned, a_market, a_spec, dec, flat_bars
from tradewright.backtest.backtest import Backtest, Result
from tradewright.backtest.choice import Way, run_backtest
from tradewright.backtest.report.tables import cost_parts
from tradewright.backtest.spending import spent, total_spent
from tradewright.backtest.summary import traded_value
from tradewright.core.errors import ArraysRefused
from tradewright.core.money import ZERO
from tradewright.data.history import MarketData
from tradewright.portfolio.costs import Backdrop, Cost

DAYS = [date(2024, 1, day) for day in (2, 3, 4, 5, 8, 9)]


def held(weight: float, **changes: Any) -> Result:
    """A position of AAA, opened on January 3, a Wednesday, at 100 and held to Tuesday."""
    market = a_market({"AAA": flat_bars([100.0] * 6)})
    spec = a_spec(market, **changes)
    return Backtest(spec, market, strategy=Planned({DAYS[0]: {"AAA": weight}})).run()


def test_a_short_pays_for_each_calendar_day() -> None:
    result = held(-0.9, borrow="flat:rate=0.04")
    # 90 short at 100: 9,000 · 4 % / 360 is 1.00 a day, on the 3rd, the 4th, three days from
    # Friday the 5th, on the 8th and on the last, the 9th.
    assert result.book.financing == 7
    assert result.book.cash == 10_000 + 9_000 - 7
    assert result.final_equity == 9_993
    assert result.equity.tolist() == [10_000, 9_999, 9_998, 9_995, 9_994, 9_993]
    assert (result.book.fees, result.book.deposits) == (ZERO, dec(10_000))


def test_a_debt_pays_interest_and_its_interest_too() -> None:
    result = held(1.9, margin="flat:rate=0.08")
    # 9,000 borrowed at 8 % are 2.00 a day; the sixth day's 9,012 is 2.0027.
    assert result.book.financing == 14
    assert result.book.cash == 10_000 - 19_000 - 14


def test_a_large_debt_grows() -> None:
    result = held(1.9, margin="flat:rate=8")
    paid, debt = ZERO, dec(9_000)
    for days in (1, 1, 3, 1, 1):
        amount = (debt * 8 * days / 360).quantize(dec("0.01"))
        paid, debt = paid + amount, debt + amount
    assert result.book.financing == paid


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0])
def test_who_borrows_nothing_pays_nothing(weight: float) -> None:
    assert held(weight, borrow="flat", margin="flat").book.financing == 0


def test_without_models_nothing_is_charged() -> None:
    assert held(-0.9).final_equity == 10_000


def test_a_mark_that_has_gone_stays_the_last() -> None:
    market = a_market({"AAA": flat_bars([100.0, 100.0, 100.0, np.nan, np.nan, np.nan])})
    spec = a_spec(market, borrow="flat:rate=0.04")
    result = Backtest(spec, market, strategy=Planned({DAYS[0]: {"AAA": -0.9}})).run()
    assert result.book.financing == 7


MOVING = [100.0 + 3 * (i % 5) for i in range(40)]


def traded(**changes: Any) -> tuple[Result, MarketData]:
    """All in on the 30th session and out on the 35th."""
    market = a_market({"AAA": flat_bars(MOVING, volume=1_000.0)})
    days = [session.date for session in market.frame.sessions]
    spec = a_spec(market, **changes)
    plan = Planned({days[29]: {"AAA": 0.8}, days[34]: {"AAA": 0.0}})
    return Backtest(spec, market, strategy=plan).run(), market


MODELS = {
    "commission": "ib-tiered",
    "slippage": "half-spread",
    "fees": "us-sales",
    "impact": "almgren",
}


def test_costs_by_part_are_what_the_models_expect() -> None:
    result, market = traded(**MODELS)
    costs, backdrop = result.spec.costs(), Backdrop(market.frame)
    parts = spent(result, market)
    assert [fill.side.sign for fill, _ in parts] == [1, -1]
    for fill, part in parts:
        row = next(r for r in range(40) if market.frame.started(r) == fill.at)
        shown = market.frame.price(row, 0, "open")
        assert shown is not None
        known = backdrop.at(fill.instrument, fill.at)
        assert part == costs.expected(fill.side, fill.quantity, shown, known, at=fill.at)
        assert min(part.commission, part.slippage, part.impact) > 0
    assert [part.fees > 0 for _, part in parts] == [False, True]


def test_all_that_is_missing_was_spent() -> None:
    free, market = traded()
    dear, _ = traded(**MODELS, limits=WIDE)
    assert free.final_equity is not None
    assert dear.final_equity is not None
    assert [fill.quantity for fill in free.fills] == [fill.quantity for fill in dear.fills]
    assert free.final_equity - dear.final_equity == total_spent(dear, market).total


def test_the_report_has_each_part_and_its_share_of_what_was_traded() -> None:
    result, market = traded(**MODELS, borrow="flat:rate=0.04")
    page = cost_parts(result, market)
    total, value = total_spent(result, market), traded_value(result.fills, market)
    for part in (total.commission, total.fees, total.slippage, total.impact):
        assert f"<td>{part:,.2f}</td><td>{part / value * 10_000:.2f}</td>" in page
    short = held(-0.9, borrow="flat:rate=0.04")
    page = cost_parts(short, a_market({"AAA": flat_bars([100.0] * 6)}))
    assert "<td>7.00</td><td>7.78</td>" in page


def test_a_run_without_costs_spent_nothing() -> None:
    assert total_spent(*traded()) == Cost()


def test_the_usual_costs_are_commission_and_basis_points() -> None:
    result, market = traded(commission="ib-fixed", slippage_bps=dec(2))
    total = total_spent(result, market)
    assert (total.commission, total.fees, total.impact) == (result.book.fees, ZERO, ZERO)
    expected = sum(
        (abs(fill.price - Decimal(round(fill.price))) * fill.quantity for fill in result.fills),
        ZERO,
    )
    assert total.slippage == expected > 0


@pytest.mark.parametrize(
    ("name", "model"), [*MODELS.items(), ("borrow", "flat"), ("margin", "flat")]
)
def test_arrays_refuse_the_models_that_they_do_not_restate(name: str, model: str) -> None:
    market = a_market({"AAA": flat_bars(MOVING)})
    spec = a_spec(market, **{name: model})
    with pytest.raises(ArraysRefused, match=f"{name}|commission"):
        run_backtest(spec, market, Way.ARRAYS)
    assert run_backtest(spec, market, Way.AUTO).book == Backtest(spec, market).run().book
