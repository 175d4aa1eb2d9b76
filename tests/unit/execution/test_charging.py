"""Fills at the venue by models that depend on size, side, month and what was known before."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.builders import AAA, Row, a_frame, an_instrument, an_order, dec
from tradewright.core.errors import InvalidInput
from tradewright.core.events import Filled
from tradewright.core.frames import BarFrame
from tradewright.core.ids import OrderId
from tradewright.core.money import Price
from tradewright.core.orders import Fill, OrderKind, Side
from tradewright.execution.venue import FillOn, SimulatedVenue, VenueModel
from tradewright.portfolio.costs import (
    Almgren,
    Backdrop,
    BasisPoints,
    NoCommission,
    PerShare,
    TradingCosts,
    UsSales,
    commission,
)
from tradewright.portfolio.costs.slippage import HalfSpread, LinearParticipation, SquareRoot

FIRST = 25


def frame() -> BarFrame:
    noise = np.random.default_rng(5)
    closes = np.round(50 * np.exp(np.cumsum(noise.normal(0, 0.02, 60))), 2)
    rows: list[Row] = [(c, c + 1, c - 1, c, 10_000.0) for c in closes]
    return a_frame({"AAA": rows})


FRAME = frame()


def filled(costs: TradingCosts, *orders: Any, row: int = FIRST, **changes: Any) -> list[Fill]:
    """The fills at one row's open and over its range."""
    model = VenueModel(costs, **changes)
    venue = SimulatedVenue(FRAME, {AAA: an_instrument()}, model)
    at = FRAME.known(row - 1)
    for order in orders:
        venue.accept(order, at)
    events = [*venue.open_bar(row), *venue.close_bar(row)]
    return [event.fill for event in events if isinstance(event, Filled)]


def opened(row: int = FIRST) -> Price:
    price = FRAME.price(row, 0, "open")
    assert price is not None
    return price


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(
    "costs",
    [
        TradingCosts(PerShare(), HalfSpread(), UsSales(), Almgren()),
        TradingCosts(commission("ib-tiered"), SquareRoot(), UsSales()),
        TradingCosts(NoCommission(), LinearParticipation()),
        TradingCosts(),
    ],
)
def test_what_was_expected_is_what_is_charged(costs: TradingCosts, side: Side) -> None:
    (fill,) = filled(costs, an_order(side, 300))
    known = Backdrop(FRAME).at(AAA, FRAME.started(FIRST))
    expected = costs.expected(side, dec(300), opened(), known, at=fill.at)
    assert costs.attributed(fill, opened(), known) == expected
    assert fill.fee.amount == expected.commission + expected.fees
    lost = (fill.price - opened()) * side.sign * 300
    assert lost == expected.slippage + expected.impact > 0


def test_a_larger_order_pays_a_worse_price() -> None:
    costs = TradingCosts(NoCommission(), SquareRoot())
    prices = [filled(costs, an_order(Side.BUY, size))[0].price for size in (10, 100, 1000)]
    assert prices == sorted(set(prices))


def test_what_fills_counts_and_not_what_is_asked() -> None:
    costs = TradingCosts(NoCommission(), SquareRoot())
    (part,) = filled(costs, an_order(Side.BUY, 5_000), volume_share=dec("0.01"))
    (whole,) = filled(costs, an_order(Side.BUY, 100))
    assert (part.quantity, part.price) == (dec(100), whole.price)


def test_a_limit_is_filled_at_its_own_price() -> None:
    costs = TradingCosts(NoCommission(), SquareRoot())
    limit = opened() - Decimal("0.50")
    (fill,) = filled(costs, an_order(Side.BUY, 100, OrderKind.LIMIT, limit=Price(limit)))
    assert fill.price == limit


@pytest.mark.parametrize("kind", [OrderKind.STOP, OrderKind.TRAILING_STOP])
def test_stops_lose_what_market_orders_lose(kind: OrderKind) -> None:
    costs = TradingCosts(NoCommission(), HalfSpread(spread_bps=dec(20)))
    below = opened() - Decimal("0.50")
    facts: dict[str, Any] = {"trail_price": Price(dec("0.50"))}
    if kind is OrderKind.STOP:
        facts = {"stop": Price(below)}
    (fill,) = filled(costs, an_order(Side.SELL, 100, kind, **facts))
    assert fill.price == (below * dec("0.999")).quantize(dec("0.0001"), "ROUND_FLOOR")


def test_fees_are_taken_of_sales_alone() -> None:
    costs = TradingCosts(NoCommission(), BasisPoints(dec(0)), UsSales())
    (bought,) = filled(costs, an_order(Side.BUY, 1000))
    (sold,) = filled(costs, an_order(Side.SELL, 1000))
    assert bought.fee.amount == 0
    assert sold.fee.amount == costs.fee(dec(0), dec(1000), sold.price, Side.SELL, sold.at) > 0


def test_shares_of_a_month_count_and_those_of_the_month_before_do_not() -> None:
    model = VenueModel(TradingCosts(commission("ib-tiered"), BasisPoints(dec(0))))
    venue = SimulatedVenue(FRAME, {AAA: an_instrument()}, model)
    months = [FRAME.started(row).month for row in range(len(FRAME))]
    change = next(row for row in range(FIRST, 60) if months[row] != months[row - 1])
    fees = []
    for row in (change - 2, change - 1, change):
        name = OrderId(f"order-{row}")
        venue.accept(an_order(Side.BUY, 300_000, id=name), FRAME.started(row) - timedelta(hours=1))
        (event,) = venue.open_bar(row)
        assert isinstance(event, Filled)
        fees.append(event.fill.fee.amount)
    assert fees == [1050, 600, 1050]


def test_conditions_are_those_of_a_backdrop_that_is_given() -> None:
    costs = TradingCosts(NoCommission(), SquareRoot())
    thin = a_frame({"AAA": [(50.0, 51.0, 49.0, 50.0 + i % 2, 10.0) for i in range(60)]})
    venue = SimulatedVenue(FRAME, {AAA: an_instrument()}, VenueModel(costs), Backdrop(thin))
    venue.accept(an_order(Side.BUY, 100), FRAME.known(FIRST - 1))
    (event,) = venue.open_bar(FIRST)
    assert isinstance(event, Filled)
    known = Backdrop(thin).at(AAA, FRAME.started(FIRST))
    assert event.fill.price == costs.fill_price(Side.BUY, opened(), dec(100), known)
    assert event.fill.price > filled(costs, an_order(Side.BUY, 100))[0].price


@pytest.mark.parametrize(
    ("costs", "named"),
    [
        (TradingCosts(slippage=HalfSpread()), "HalfSpread"),
        (TradingCosts(impact=Almgren()), "Almgren"),
    ],
)
def test_quotes_have_their_own_spread(costs: TradingCosts, named: str) -> None:
    with pytest.raises(InvalidInput, match=f"costs: '{named}' does not go with quotes"):
        VenueModel(costs, fill_on=FillOn.QUOTES)
