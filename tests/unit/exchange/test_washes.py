"""What the account's own orders forbid: trades with oneself, and shares promised twice."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.asking import refusal, submit, take
from tests.unit.exchange.builders import a_market, an_exchange, opened
from tradewright.exchange.account import positions


def test_more_than_is_held_cannot_be_sold() -> None:
    exchange = an_exchange()
    submit(exchange)
    exchange.advance(opened(1))
    submit(exchange, side="sell", qty="4", type="limit", limit_price="200")
    refused = refusal(exchange, side="sell", qty="7")
    assert (refused.status, refused.code) == (403, 40310000)
    assert refused.message == "insufficient qty available for order (requested: 7, available: 6)"
    assert refused.facts["held_for_orders"] == "4"
    assert submit(exchange, side="sell", qty="6")


def test_what_cannot_be_shorted_is_not() -> None:
    exchange = an_exchange(a_market(shortable=False), leverage=Decimal(2))
    refused = refusal(exchange, side="sell")
    assert (refused.status, refused.message) == (422, 'asset "AAA" cannot be sold short')


def test_a_short_position_is_negative_and_can_be_covered() -> None:
    exchange = an_exchange(leverage=Decimal(2))
    submit(exchange, side="sell")
    exchange.advance(opened(1))
    position = positions.position(exchange, "AAA")
    assert (position["side"], position["qty"]) == ("short", "-10")
    answer = take(exchange, side="buy")
    assert answer["position_intent"] == "buy_to_close"


@pytest.mark.parametrize(
    ("first", "second", "refused"),
    [
        ({"type": "limit", "limit_price": "90"}, {"side": "sell"}, True),
        (
            {"type": "limit", "limit_price": "90"},
            {"side": "sell", "type": "limit", "limit_price": "110"},
            False,
        ),
        (
            {"type": "limit", "limit_price": "90"},
            {"side": "sell", "type": "limit", "limit_price": "90"},
            True,
        ),
        (
            {"type": "limit", "limit_price": "90"},
            {"side": "sell", "type": "trailing_stop", "trail_price": "1"},
            False,
        ),
        (
            {"type": "stop", "stop_price": "120"},
            {"side": "sell", "type": "limit", "limit_price": "130"},
            True,
        ),
        ({"type": "limit", "limit_price": "90"}, {"side": "sell", "symbol": "BBB"}, False),
    ],
)
def test_orders_that_could_trade_with_each_other_are_a_wash(
    first: dict[str, Any], second: dict[str, Any], refused: bool
) -> None:
    exchange = an_exchange(leverage=Decimal(2))
    submit(exchange, **first)
    if not refused:
        assert submit(exchange, **second)
        return
    wash = refusal(exchange, **second)
    assert (wash.status, wash.code) == (403, 40310000)
    assert wash.message == "potential wash trade detected. use complex orders"


def test_two_exits_of_one_position_keep_its_shares_once() -> None:
    exchange = an_exchange()
    submit(exchange)
    exchange.advance(opened(1))
    submit(
        exchange,
        side="sell",
        qty="6",
        type="limit",
        order_class="oco",
        take_profit={"limit_price": "120"},
        stop_loss={"stop_price": "80"},
    )
    assert positions.position(exchange, "AAA")["qty_available"] == "4"
    assert "available: 4)" in refusal(exchange, side="sell", qty="5").message
