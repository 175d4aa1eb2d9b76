"""Leaving positions: whole, by quantity, by percentage, and all at once."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.asking import fractionable, refusal, shown, submit
from tests.unit.exchange.builders import an_exchange, closed, opened
from tradewright.exchange.account import positions
from tradewright.exchange.exchange import Exchange


def holding(**quantities: str) -> Exchange:
    """An exchange after its first session with positions in AAA, BBB; a minus sells short."""
    exchange = an_exchange(fractionable(), leverage=Decimal(2))
    for symbol, quantity in quantities.items():
        side = "sell" if quantity.startswith("-") else "buy"
        submit(exchange, symbol=symbol, qty=quantity.removeprefix("-"), side=side)
    exchange.advance(closed(1))
    return exchange


def close(exchange: Exchange, **given: str) -> Mapping[str, Any]:
    """Close a position, or part of it, and return the order."""
    answer = exchange.perform("close_position", given)
    assert isinstance(answer, Mapping)
    return answer


def test_a_position_is_left_by_a_market_order_for_all_of_it() -> None:
    exchange = holding(AAA="10", BBB="-5")
    order = close(exchange, symbol="AAA")
    assert (order["side"], order["type"], order["qty"]) == ("sell", "market", "10")
    assert order["position_intent"] == "sell_to_close"
    asset = str(positions.position(exchange, "BBB")["asset_id"])
    cover = close(exchange, symbol=asset)
    assert (cover["side"], cover["qty"]) == ("buy", "5")
    exchange.advance(opened(2))
    assert positions.positions(exchange) == []


@pytest.mark.parametrize(
    ("held", "given", "quantity"),
    [
        ("10", {"qty": "4"}, "4"),
        ("10", {"qty": "0.5"}, "0.5"),
        ("10", {"percentage": "50"}, "5"),
        ("10", {"percentage": "100"}, "10"),
        # Whole shares are sold whole; parts are sold of what has parts.
        ("10", {"percentage": "33"}, "3"),
        ("1.5", {"percentage": "33.333333333"}, "0.499999999"),
    ],
)
def test_part_of_a_position(held: str, given: dict[str, str], quantity: str) -> None:
    assert close(holding(AAA=held), symbol="AAA", **given)["qty"] == quantity


@pytest.mark.parametrize(
    ("given", "status", "message"),
    [
        ({"symbol": "BBB"}, 404, "position does not exist"),
        ({"qty": "1", "percentage": "1"}, 422, "only one of qty or percentage is accepted"),
        ({"qty": "0"}, 422, "qty must be > 0"),
        ({"qty": "0.0000000001"}, 422, "qty must be limited to 9 decimal places"),
        ({"qty": "many"}, 422, "invalid qty: many is not a number"),
        ({"percentage": "0"}, 422, "percentage must be > 0 and <= 100"),
        ({"percentage": "101"}, 422, "percentage must be > 0 and <= 100"),
        ({"percentage": "1"}, 422, "qty must be > 0"),
        ({"percentage": "0.0000000001"}, 422, "percentage must be limited to 9 decimal places"),
        ({"qty": "11"}, 403, "insufficient qty available for order (requested: 11, available: 10)"),
    ],
)
def test_what_cannot_be_left_is_refused(given: dict[str, str], status: int, message: str) -> None:
    exchange = holding(AAA="10")
    refused = refusal(exchange, "close_position", **{"symbol": "AAA", **given})
    assert (refused.status, refused.message) == (status, message)


def test_all_positions_are_left_or_say_why_not() -> None:
    exchange = holding(AAA="10", BBB="-5")
    stop = submit(exchange, side="sell", type="stop", stop_price="80", time_in_force="gtc")
    rows = exchange.perform("close_all", {})
    assert isinstance(rows, list)
    kept, left = rows
    assert (kept["symbol"], kept["status"]) == ("AAA", 403)
    assert kept["body"] == {
        "code": 40310000,
        "message": "insufficient qty available for order (requested: 10, available: 0)",
        "available": "0",
        "existing_qty": "10",
        "held_for_orders": "10",
        "symbol": "AAA",
    }
    assert (left["symbol"], left["status"], left["body"]["side"]) == ("BBB", 200, "buy")
    rows = exchange.perform("close_all", {"cancel_orders": True})
    assert isinstance(rows, list)
    assert [row["status"] for row in rows] == [200, 200]
    assert shown(exchange, stop)["status"] == "canceled"
    exchange.advance(opened(2))
    assert positions.positions(exchange) == []
