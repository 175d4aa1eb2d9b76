"""What splits and dividends make of open orders."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.exchange.asking import heard, shown, status, submit
from tests.unit.exchange.minutes import AAA, DAYS, MINUTES, minute, minute_exchange, minute_market
from tradewright.core.market import CashDividend, CorporateAction, Split
from tradewright.core.money import Price
from tradewright.exchange.exchange import Exchange

LIMIT = {"type": "limit", "limit_price": "80.01", "time_in_force": "gtc"}
HALVED = [100.0] * MINUTES + [50.0] * MINUTES
CALM = [20.0] * (2 * MINUTES)


def over(*actions: CorporateAction) -> Exchange:
    exchange = minute_exchange(minute_market({"AAA": HALVED, "BBB": CALM}, actions))
    exchange.advance(minute(0, 5))
    return exchange


def successor(exchange: Exchange, order: str) -> dict[str, Any]:
    """The order that took an order's place."""
    before = shown(exchange, order)
    assert before["status"] == "replaced"
    after = shown(exchange, str(before["replaced_by"]))
    assert after["replaces"] == order
    return after


def test_a_limit_good_until_canceled_goes_on_in_new_shares() -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(3, 2)))
    order = submit(exchange, **LIMIT, qty="5", client_order_id="mine")
    exchange.advance(minute(1, 0) - timedelta(seconds=1))
    assert status(exchange, order) == "new"
    with heard(exchange) as updates:
        exchange.advance(minute(1, 0))
    assert [row["event"] for row in updates] == ["replaced", "pending_new", "new"]
    after = successor(exchange, order)
    # 7.5 shares and 53.34 dollars: what does not divide evenly is rounded down.
    assert (after["qty"], after["limit_price"], after["status"]) == ("7", "53.34", "new")
    assert (after["time_in_force"], after["side"]) == ("gtc", "buy")
    assert after["expires_at"] == shown(exchange, order)["expires_at"]
    assert after["client_order_id"] != "mine"


def test_a_sale_is_rounded_up() -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(3)))
    submit(exchange)
    order = submit(exchange, side="sell", type="limit", limit_price="320.01", time_in_force="gtc")
    exchange.advance(minute(1, 1))
    after = successor(exchange, order)
    assert (after["qty"], after["limit_price"]) == ("30", "106.67")
    assert exchange.market.brokerage.ledger.quantities[AAA] == 30


def test_what_filled_before_the_split_is_not_ordered_again() -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(2)))
    order = submit(exchange, **LIMIT)
    ticket = exchange.orders.ticket(order)
    price, now = Price(Decimal(80)), exchange.market.now
    done = exchange.market.brokerage.execute(ticket.venue_id, Decimal(4), price, now)
    exchange.orders.floor.happen(done)
    exchange.advance(minute(1, 1))
    after = successor(exchange, order)
    assert (shown(exchange, order)["filled_qty"], after["qty"]) == ("4", "12")


def test_the_new_order_fills_and_frees_what_it_kept() -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(2)))
    kept = exchange.account.reserved
    order = submit(exchange, **{**LIMIT, "limit_price": "99.00"})
    reserved = exchange.account.reserved - kept
    exchange.advance(minute(1, 0))
    after = successor(exchange, order)
    assert abs(exchange.account.reserved - kept - reserved) < Decimal("0.01")
    done = exchange.perform("cancel", {"order": after["id"]})
    assert done is None
    assert exchange.account.reserved == kept


def test_fewer_shares_are_not_what_was_ordered() -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(1, 4)))
    order = submit(exchange, **LIMIT)
    exchange.advance(minute(1, 0))
    assert status(exchange, order) == "canceled"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "stop", "stop_price": "130", "time_in_force": "gtc"},
        {"type": "trailing_stop", "trail_price": "30", "time_in_force": "gtc"},
        {"type": "stop_limit", "stop_price": "130", "limit_price": "131", "time_in_force": "gtc"},
    ],
    ids=["stop", "trailing stop", "stop limit"],
)
def test_other_orders_are_canceled_by_a_split(changes: dict[str, str]) -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(2)))
    order = submit(exchange, **changes)
    exchange.advance(minute(1, 0))
    assert status(exchange, order) == "canceled"


def test_legs_are_neither_reduced_nor_canceled() -> None:
    exchange = over(Split(AAA, DAYS[1], Fraction(2)), CashDividend(AAA, DAYS[1], Decimal(1)))
    order = submit(
        exchange,
        time_in_force="gtc",
        order_class="bracket",
        take_profit={"limit_price": "150"},
        stop_loss={"stop_price": "20"},
    )
    before = shown(exchange, order)["legs"]
    exchange.advance(minute(1, 1))
    legs = shown(exchange, order)["legs"]
    for field in ("id", "qty", "limit_price", "stop_price", "status"):
        assert [leg[field] for leg in legs] == [leg[field] for leg in before]
    assert exchange.market.brokerage.ledger.quantities[AAA] == 20


def test_a_dividend_lowers_what_is_bid_and_not_what_is_asked() -> None:
    exchange = over(CashDividend(AAA, DAYS[1], Decimal("0.255")))
    submit(exchange)
    bid = submit(exchange, **LIMIT)
    asked = submit(exchange, side="sell", type="limit", limit_price="150", time_in_force="gtc")
    stop = submit(exchange, symbol="BBB", **{**LIMIT, "limit_price": "15"})
    exchange.advance(minute(1, 0))
    after = successor(exchange, bid)
    assert (after["limit_price"], after["qty"]) == ("79.75", "10")
    assert status(exchange, asked) == status(exchange, stop) == "new"


def test_a_dividend_larger_than_the_limit_ends_the_order() -> None:
    exchange = over(CashDividend(AAA, DAYS[1], Decimal(60)))
    order = submit(exchange, **{**LIMIT, "limit_price": "59"})
    exchange.advance(minute(1, 0))
    assert status(exchange, order) == "canceled"


def test_a_split_on_command_does_the_same() -> None:
    exchange = over()
    order = submit(exchange, **LIMIT)
    exchange.perform("split", {"symbol": "AAA", "ratio": "4:1"})
    assert successor(exchange, order)["qty"] == "40"
