"""What an account is worth is kept from one order to the next, and is that of looking anew."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.exchange.builders import an_exchange, opened
from tests.unit.exchange.minutes import minute, minute_exchange
from tradewright.exchange.account.margin import Margin
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused

ORDERS = st.fixed_dictionaries(
    {
        "symbol": st.sampled_from(["AAA", "BBB"]),
        "side": st.sampled_from(["buy", "sell"]),
        "qty": st.sampled_from(["1", "7", "100"]),
    }
).map(lambda order: ("submit", order))
PASSING = st.sampled_from([1, 7, 20, 61]).map(lambda seconds: ("pass", {"seconds": seconds}))
SELDOM = st.sampled_from(
    [
        ("split", {"symbol": "AAA", "ratio": "2"}),
        ("split", {"symbol": "AAA", "ratio": "1/3"}),
        ("dividend", {"symbol": "BBB", "amount": "0.25"}),
        ("bust", {}),
        ("correct", {"price": "50"}),
        ("delist", {"symbol": "BBB"}),
        ("pass", {"seconds": 1800}),
    ]
)
COMMANDS = st.one_of(ORDERS, ORDERS, PASSING, PASSING, SELDOM)


def perform(exchange: Exchange, name: str, given: Mapping[str, Any], scale: int) -> None:
    if name == "pass":
        exchange.advance(exchange.market.now + timedelta(seconds=given["seconds"] * scale))
        return
    if name == "submit":
        given = {"body": {**given, "type": "market", "time_in_force": "day"}}
    with contextlib.suppress(Refused):
        exchange.perform(name, given)


def looked_at_anew(exchange: Exchange) -> Decimal:
    brokerage = exchange.market.brokerage
    worth = brokerage.ledger.cash
    for name, position in brokerage.ledger.positions.items():
        price = brokerage.price(name)
        worth += position.quantity * (position.average if price is None else price)
    return worth


def over_minutes() -> Exchange:
    exchange = minute_exchange()
    exchange.advance(minute(0, 2))
    return exchange


def over_days() -> Exchange:
    exchange = an_exchange()
    exchange.advance(opened(1))
    return exchange


@pytest.mark.parametrize(("make", "scale"), [(over_minutes, 1), (over_days, 2_000)])
@settings(max_examples=100, deadline=None)
@given(commands=st.lists(COMMANDS, min_size=12, max_size=30))
def test_worth_is_that_of_looking_at_everything_anew(
    make: Callable[[], Exchange], scale: int, commands: list[tuple[str, Mapping[str, Any]]]
) -> None:
    exchange = make()
    for name, told in commands:
        perform(exchange, name, told, scale)
        assert exchange.account.standing == Margin(exchange.market).standing, (name, told)
        assert exchange.market.brokerage.equity() == looked_at_anew(exchange), (name, told)
