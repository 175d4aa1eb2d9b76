"""Targets less what is held and working are orders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest

from tests.builders import AAA, AT, BBB, MOMENT, an_instrument, dec, instruments
from tradewright.core.ids import InstrumentId, StrategyId
from tradewright.core.instrument import Instrument
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.core.signals import Target
from tradewright.portfolio.construct import Construction, Holdings, Plan, construct
from tradewright.portfolio.sizing import FixedFraction, VolatilityTarget

CCC = InstrumentId("CCC")
STRATEGY = StrategyId("test")


def target(name: str, weight: float, **changes: Any) -> Target:
    facts: dict[str, Any] = {"strategy": STRATEGY, "at": AT}
    return Target(instrument=InstrumentId(name), weight=weight, **(facts | changes))


def plan(
    targets: Sequence[Target],
    held: Mapping[InstrumentId, int] | None = None,
    working: Mapping[InstrumentId, int] | None = None,
    *,
    equity: int | None = 10_000,
    prices: Mapping[InstrumentId, str] | None = None,
    volatility: str | None = None,
    how: Construction | None = None,
    known: Mapping[InstrumentId, Instrument] | None = None,
) -> Plan:
    marks = {AAA: "10", BBB: "20", CCC: "5"} if prices is None else prices
    holdings = Holdings(
        None if equity is None else Decimal(equity),
        {name: Decimal(quantity) for name, quantity in (held or {}).items()},
        {name: Decimal(quantity) for name, quantity in (working or {}).items()},
        lambda name: dec(marks[name]) if name in marks else None,
        lambda _: None if volatility is None else dec(volatility),
    )
    known = known or instruments("AAA", "BBB", "CCC")
    return construct(targets, holdings, known, how or Construction())


def told(orders: Plan) -> list[tuple[str, str, int]]:
    assert all(order.quantity == int(order.quantity) for order in orders.orders)
    return [(o.side.value, o.instrument, int(o.quantity)) for o in orders.orders]


@pytest.mark.parametrize(
    ("weight", "held", "working", "wanted"),
    [
        (0.5, 0, 0, [("buy", "AAA", 500)]),
        (0.5, 200, 0, [("buy", "AAA", 300)]),
        (0.5, 200, 300, []),
        (0.5, 200, -100, [("buy", "AAA", 400)]),
        (0.5, 500, 0, []),
        (0.5, 700, 0, [("sell", "AAA", 200)]),
        (0.5, 0, 700, [("sell", "AAA", 200)]),
        (0.0, 700, 0, [("sell", "AAA", 700)]),
        (0.0, 700, -700, []),
        (0.0, -700, 0, [("buy", "AAA", 700)]),
        (-0.5, 100, 0, [("sell", "AAA", 600)]),
        (0.12345, 0, 0, [("buy", "AAA", 123)]),
        (-0.12345, 0, 0, [("sell", "AAA", 123)]),
        (0.00001, 0, 0, []),
    ],
)
def test_what_works_already_counts_as_held(
    weight: float, held: int, working: int, wanted: list[tuple[str, str, int]]
) -> None:
    assert told(plan([target("AAA", weight)], {AAA: held}, {AAA: working})) == wanted


def test_sells_stand_before_buys_and_then_by_name() -> None:
    targets = [target("CCC", 0.1), target("BBB", 0.0), target("AAA", 0.2)]
    made = plan(targets, {BBB: 10, CCC: 900})
    assert told(made) == [("sell", "BBB", 10), ("sell", "CCC", 700), ("buy", "AAA", 200)]


def test_what_has_no_target_is_kept() -> None:
    assert told(plan([target("AAA", 0.1)], {BBB: 10})) == [("buy", "AAA", 100)]
    assert told(plan([])) == []


@pytest.mark.parametrize(
    ("weight", "held", "count"),
    [
        (0.51, 500, 0),
        (0.5499, 500, 0),
        (0.55, 500, 1),
        (0.0, 10, 1),
        (0.001, 0, 0),
    ],
)
def test_small_trades_are_left_out_unless_they_close(weight: float, held: int, count: int) -> None:
    how = Construction(min_trade=dec(500))
    assert len(plan([target("AAA", weight)], {AAA: held}, how=how).orders) == count


def test_a_position_without_a_price_can_be_closed() -> None:
    made = plan([target("AAA", 0.0)], {AAA: 7}, prices={}, equity=None)
    assert told(made) == [("sell", "AAA", 7)]
    assert made.unsized == []


@pytest.mark.parametrize(
    "missing",
    [
        {"prices": {}},
        {"equity": None},
        {"how": Construction(sizing=VolatilityTarget())},
    ],
    ids=["price", "equity", "volatility"],
)
def test_a_target_without_its_numbers_is_unsized_and_the_rest_goes_on(
    missing: dict[str, Any],
) -> None:
    wanted = target("AAA", 0.5)
    made = plan([wanted, target("BBB", 0.0)], {BBB: 3}, **missing)
    assert list(made.unsized) == [wanted]
    assert told(made) == [("sell", "BBB", 3)]


def test_volatility_scales_the_size() -> None:
    how = Construction(sizing=VolatilityTarget(annual=dec("0.10")))
    assert told(plan([target("AAA", 0.5)], volatility="0.25", how=how)) == [("buy", "AAA", 200)]


def test_lots_are_rounded_towards_zero() -> None:
    known = {AAA: an_instrument(lot=Decimal(100))}
    assert told(plan([target("AAA", 0.56789)], known=known)) == [("buy", "AAA", 500)]
    assert told(plan([target("AAA", -0.56789)], known=known)) == [("sell", "AAA", 500)]


def test_a_weight_is_taken_as_it_is_written() -> None:
    # 0.1 × 10,000 / 10 is 100 shares, though 0.1 as a float is a little more and 0.7 a little less.
    assert told(plan([target("AAA", 0.1)])) == [("buy", "AAA", 100)]
    assert told(plan([target("AAA", 0.7)])) == [("buy", "AAA", 700)]


def test_orders_carry_the_decision() -> None:
    how = Construction(FixedFraction(), TimeInForce.OPG)
    (order,) = plan([target("AAA", 0.5)], how=how).orders
    assert (order.kind, order.time_in_force) == (OrderKind.MARKET, TimeInForce.OPG)
    assert (order.strategy, order.decided_at, order.side) == (STRATEGY, AT, Side.BUY)


def test_deciding_again_is_the_same_order_only_at_the_same_instant() -> None:
    once, again = (plan([target("AAA", 0.5)]).orders[0] for _ in range(2))
    later = plan([target("AAA", 0.5, at=AT + MOMENT)]).orders[0]
    assert once == again
    assert later.id != once.id


@pytest.mark.parametrize(
    ("weight", "held", "working", "only_reduces"),
    [
        (0.1, 200, None, [True]),
        (0.0, 200, None, [True]),
        (0.0, -200, None, [True]),
        (-0.1, 200, None, [False]),
        (0.1, -200, None, [False]),
        (0.5, 200, None, [False]),
        (0.5, 0, None, [False]),
        (0.1, 200, -10, [False]),
    ],
)
def test_an_order_says_that_it_only_reduces_where_that_is_certain(
    weight: float, held: int, working: int | None, only_reduces: list[bool]
) -> None:
    made = plan([target("AAA", weight)], {AAA: held}, None if working is None else {AAA: working})
    assert [order.reduce_only for order in made.orders] == only_reduces
