"""The gate is monotone: a looser limit never turns an approval into a refusal."""

from __future__ import annotations

from dataclasses import fields, replace
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.builders import a_context, an_exposure, an_order
from tradewright.core.decisions import Approved
from tradewright.core.money import Quantity
from tradewright.core.orders import Order, OrderKind, Side
from tradewright.portfolio.costs import NoCommission, PerShare
from tradewright.risk.checks import RiskContext
from tradewright.risk.gate import PreTradeGate
from tradewright.risk.limits import Limits

OPTIONAL = ("max_order_notional", "max_position_notional", "max_position_shares")
COUNTS = ("max_price_age_rows",)
SCALES = {"max_order_notional": 100, "max_position_notional": 100, "max_position_shares": 1}

quantities = st.integers(-300, 300)
sides = st.sampled_from(Side)
fractions = st.integers(0, 40).map(lambda n: Decimal(n) / 10)


@st.composite
def limits(draw: st.DrawFn) -> Limits:
    table: dict[str, Any] = {}
    for each in fields(Limits):
        if each.name in COUNTS:
            table[each.name] = draw(st.integers(0, 3))
        elif each.name in OPTIONAL:
            table[each.name] = draw(st.none() | st.integers(0, 600).map(Decimal))
            if table[each.name] is not None:
                table[each.name] *= SCALES[each.name]
        else:
            table[each.name] = draw(fractions)
    return Limits(**table)


@st.composite
def loosened(draw: st.DrawFn, tight: Limits) -> Limits:
    name = draw(st.sampled_from([each.name for each in fields(Limits)]))
    value = getattr(tight, name)
    if value is None or (name in OPTIONAL and draw(st.booleans())):
        looser: Any = None
    elif name in COUNTS:
        looser = value + draw(st.integers(1, 3))
    else:
        looser = value + draw(st.integers(1, 10**5).map(Decimal)) / 10
    return replace(tight, **{name: looser})


@st.composite
def situations(draw: st.DrawFn) -> tuple[Order, RiskContext]:
    kind = draw(st.sampled_from([OrderKind.MARKET, OrderKind.LIMIT, OrderKind.STOP]))
    price = {"limit": OrderKind.LIMIT, "stop": OrderKind.STOP}
    prices = {name: str(draw(st.integers(50, 300))) for name, k in price.items() if k is kind}
    order = an_order(
        draw(sides),
        draw(st.integers(1, 300)),
        kind,
        reduce_only=draw(st.booleans()),
        **prices,
    )
    exposure = an_exposure(
        {"AAA": draw(quantities), "BBB": draw(quantities)},
        *draw(
            st.lists(
                st.tuples(st.sampled_from(["AAA", "BBB"]), sides, st.integers(1, 200)), max_size=3
            )
        ),
        equity_cash=draw(st.integers(-50_000, 100_000)),
        prices={"AAA": 100} if draw(st.integers(0, 9)) == 0 else {"AAA": 100, "BBB": 50},
    )
    return order, a_context(
        order,
        exposure=exposure,
        stopped=draw(st.sampled_from([False, False, False, True, None])),
        price_age=draw(st.integers(0, 3)),
        commission=draw(st.sampled_from([PerShare(), NoCommission()])),
    )


@given(situations(), limits(), st.data())
def test_loosening_a_limit_never_refuses_what_was_approved(
    situation: tuple[Order, RiskContext], tight: Limits, data: st.DataObject
) -> None:
    order, context = situation
    loose = data.draw(loosened(tight))
    gate = PreTradeGate()
    if isinstance(gate.check(order, replace(context, limits=tight)), Approved):
        assert isinstance(gate.check(order, replace(context, limits=loose)), Approved)


@given(situations(), limits())
def test_half_of_an_approved_order_is_approved(
    situation: tuple[Order, RiskContext], table: Limits
) -> None:
    order, context = situation
    context = replace(context, limits=table)
    gate = PreTradeGate()
    half = order.quantity // 2
    if half and isinstance(gate.check(order, context), Approved):
        smaller = replace(order, quantity=Quantity(half))
        exposure = context.exposure
        reduces = half <= exposure.reducible(order.instrument, order.side)
        assert isinstance(gate.check(smaller, replace(context, reduces=reduces)), Approved)


@given(situations(), limits())
def test_checking_changes_nothing(situation: tuple[Order, RiskContext], table: Limits) -> None:
    order, context = situation
    context = replace(context, limits=table)
    gate = PreTradeGate()
    first = gate.check(order, context)
    for _ in range(3):
        assert gate.check(order, context) == first
