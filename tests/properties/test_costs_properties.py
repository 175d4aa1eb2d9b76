"""Whatever the models and the trade: nothing is earned, more costs more, parts are the whole."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_fill
from tradewright.core.money import ZERO, Price
from tradewright.core.orders import Side
from tradewright.portfolio.costs import Conditions, CostNames, TradingCosts
from tradewright.portfolio.costs.names import COMMISSIONS

SIDES = st.sampled_from(list(Side))
SHARES = st.integers(1, 5_000_000).map(Decimal)
PRICES = st.decimals("0.01", "5000", places=2).map(Price)
TIMES = st.integers(0, 4_000).map(
    lambda days: datetime(2014, 1, 2, 15, tzinfo=UTC) + timedelta(days)
)
ROUND_STEP = Decimal("0.0001")


def perhaps(numbers: st.SearchStrategy[Decimal]) -> st.SearchStrategy[Decimal | None]:
    return st.none() | numbers


CONDITIONS = st.builds(
    Conditions,
    perhaps(st.decimals(0, "0.05", places=6)),
    perhaps(st.decimals("0.0001", "0.2", places=6)),
    perhaps(st.decimals(1, 10_000_000, places=2)),
)
PRICED = st.sampled_from(
    [
        ("fixed", "none"),
        ("fixed:bps=7.5", "almgren"),
        ("half-spread", "none"),
        ("half-spread:multiple=2", "almgren:duration=0.5"),
        ("volatility", "almgren"),
        ("linear", "none"),
        ("square-root", "none"),
        ("adaptive:urgency=1.5", "none"),
    ]
)


@st.composite
def costs(draw: Any) -> TradingCosts:
    slippage, impact = draw(PRICED)
    name, fees = (
        draw(st.sampled_from(sorted(COMMISSIONS))),
        draw(st.sampled_from(["none", "us-sales"])),
    )
    return CostNames(name, slippage, fees=fees, impact=impact).models()


@given(costs(), SIDES, SHARES, PRICES, CONDITIONS, TIMES)
def test_nothing_is_earned_by_trading(
    model: TradingCosts, side: Side, shares: Decimal, price: Price, known: Conditions, at: datetime
) -> None:
    cost = model.expected(side, shares, price, known, at=at)
    assert min(cost.commission, cost.fees, cost.slippage, cost.impact) >= 0
    assert cost.total == cost.commission + cost.fees + cost.slippage + cost.impact
    assert model.fill_price(side, price, shares, known) > 0


@given(costs(), SIDES, SHARES, SHARES, PRICES, CONDITIONS, TIMES)
def test_more_costs_at_least_as_much(
    model: TradingCosts,
    side: Side,
    some: Decimal,
    rest: Decimal,
    price: Price,
    known: Conditions,
    at: datetime,
) -> None:
    less = model.expected(side, some, price, known, at=at)
    more = model.expected(side, some + rest, price, known, at=at)
    assert more.slippage + more.impact >= less.slippage + less.impact
    paid, worse = (model.fill_price(side, price, q, known) for q in (some, some + rest))
    assert (worse - paid) * side.sign >= 0
    # Charged at one price, so that a sale's lower value does not hide the size.
    fees = [model.fee(ZERO, q, price, side, at) for q in (some, some + rest)]
    assert fees == sorted(fees)


@given(
    st.sampled_from(sorted(set(COMMISSIONS) - {"percent"})),
    st.sampled_from(["none", "us-sales"]),
    SIDES,
    st.lists(st.integers(1, 400_000).map(Decimal), min_size=1, max_size=6),
    PRICES,
    TIMES,
)
def test_parts_of_an_order_cost_what_the_whole_costs(
    name: str, fees: str, side: Side, parts: list[Decimal], price: Price, at: datetime
) -> None:
    model = CostNames(name, fees=fees).models()
    done = total = ZERO
    for part in parts:
        fee = model.fee(done, part, price, side, at)
        assert fee >= 0
        total += fee
        done += part
    assert total == model.fee(ZERO, done, price, side, at)


@given(st.sampled_from(["ib-tiered", "institutional"]), st.lists(SHARES, min_size=1, max_size=6))
def test_a_month_is_charged_the_same_however_it_is_cut_into_orders_of_one_share_up(
    name: str, orders: list[Decimal]
) -> None:
    # Away from minimum and maximum, orders of a month cost what one order of them all does.
    model = CostNames(f"{name}:minimum=0").models().metered
    assert model is not None
    price, month, total = Decimal(5_000), ZERO, ZERO
    for shares in orders:
        total += model.monthly_fee(month, ZERO, shares, price)
        month += shares
    whole = model.monthly_fee(ZERO, ZERO, month, price)
    assert abs(total - whole) <= Decimal("0.005") * (len(orders) + 1)


@given(costs(), SIDES, SHARES, PRICES, CONDITIONS, TIMES)
def test_what_is_expected_is_what_is_charged_and_attributed(
    model: TradingCosts, side: Side, shares: Decimal, price: Price, known: Conditions, at: datetime
) -> None:
    expected = model.expected(side, shares, price, known, at=at)
    paid = model.fill_price(side, price, shares, known)
    fee = model.fee(ZERO, shares, paid, side, at)
    fill = a_fill(side, str(shares), str(paid), fee=str(fee), at=at)
    assert model.attributed(fill, price, known) == expected


@given(costs(), SIDES, SHARES, PRICES, CONDITIONS)
def test_a_price_is_worse_by_what_the_models_say_and_a_step(
    model: TradingCosts, side: Side, shares: Decimal, price: Price, known: Conditions
) -> None:
    moved = model.impact.fraction(shares, known) if model.impact else ZERO
    lost = price * (model.slippage.fraction(shares, known) + moved)
    paid = model.fill_price(side, price, shares, known)
    gap = (paid - price) * side.sign
    assert gap <= lost + ROUND_STEP
    assert gap >= min(lost, price - ROUND_STEP)
