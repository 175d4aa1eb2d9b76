"""Fates on command: what a venue does rarely, as a client sees it."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.asking import a_body, heard, refusal, shown, status, submit
from tests.unit.exchange.builders import CASH, an_exchange, closed, opened
from tradewright.core.ids import InstrumentId
from tradewright.exchange.exchange import Exchange


def twisted(exchange: Exchange, twist: dict[str, Any], **changes: Any) -> str:
    """Give an order with a fate and return its id."""
    answer = exchange.perform("submit", {"body": a_body(**changes), "twist": twist})
    assert isinstance(answer, Mapping)
    return str(answer["id"])


def test_a_held_fill_comes_when_it_is_released() -> None:
    exchange = an_exchange()
    order = twisted(exchange, {"hold": True}, time_in_force="gtc", client_order_id="mine")
    exchange.advance(opened(1))
    assert status(exchange, order) == "new"
    exchange.perform("release", {"order": "mine"})
    exchange.advance(opened(2))
    assert shown(exchange, order)["filled_avg_price"] == "104"
    other = submit(exchange, type="limit", limit_price="90", time_in_force="gtc")
    exchange.perform("hold", {"order": other})
    exchange.advance(closed(3))
    assert status(exchange, other) == "new"


@pytest.mark.parametrize("is_open", [False, True])
def test_an_order_is_taken_and_rejected_later(is_open: bool) -> None:
    exchange = an_exchange()
    if is_open:
        exchange.advance(opened(1))
    with heard(exchange) as told:
        order = twisted(exchange, {"reject": "no liquidity"})
        assert exchange.orders.ticket(order).is_open is not is_open
        exchange.advance(opened(2))
    row = shown(exchange, order)
    assert (row["status"], row["filled_qty"]) == ("rejected", "0")
    assert row["failed_at"] is not None
    assert told[-1]["event"] == "rejected"
    assert told[-1]["reason"] == "no liquidity"
    assert exchange.account.reserved == 0
    assert refusal(exchange, "cancel", order=order).message.endswith('"rejected" state')


def test_the_latest_order_is_rejected_where_none_is_named() -> None:
    exchange = an_exchange()
    orders = [submit(exchange) for _ in range(2)]
    exchange.perform("reject", {})
    assert [status(exchange, order) for order in orders] == ["accepted", "rejected"]


def test_the_venue_may_cancel_what_nobody_asked_it_to() -> None:
    exchange = an_exchange()
    order = submit(exchange, type="limit", limit_price="50", time_in_force="gtc")
    with heard(exchange) as told:
        exchange.perform("cancel_by_venue", {"order": order, "reason": "hard to borrow"})
    assert status(exchange, order) == "canceled"
    assert shown(exchange, order)["canceled_at"] is not None
    assert (told[0]["event"], told[0]["reason"]) == ("canceled", "hard to borrow")
    assert told[0]["order"]["cancel_requested_at"] is None
    exchange.advance(closed(4))
    assert not exchange.orders.executions


def test_a_cancel_finds_the_order_filled() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    order = twisted(exchange, {"fill_on_cancel": True}, type="limit", limit_price="90")
    answer = exchange.perform("cancel", {"order": order})
    assert answer == {
        "status": 422,
        "body": {"code": 42210000, "message": 'order is already in "filled" state'},
    }
    assert (status(exchange, order), len(exchange.orders.executions)) == ("filled", 1)


def test_a_cancel_that_was_accepted_may_come_too_late() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    order = twisted(exchange, {"fill_on_cancel": "late"}, type="limit", limit_price="90")
    with heard(exchange) as told:
        assert exchange.perform("cancel", {"order": order}) is None
    assert [each["event"] for each in told] == ["pending_cancel", "fill", "order_cancel_rejected"]
    assert status(exchange, order) == "filled"


def test_a_bust_takes_an_execution_back() -> None:
    exchange = an_exchange()
    order = submit(exchange)
    exchange.advance(opened(1))
    (execution,) = exchange.orders.floor.updates.executions
    with heard(exchange) as told:
        exchange.perform("bust", {"execution": execution})
    ledger = exchange.market.brokerage.ledger
    assert (ledger.cash, ledger.quantities.get(InstrumentId("AAA"), 0)) == (CASH, 0)
    (bust,) = told
    assert (bust["event"], bust["previous_execution_id"]) == ("trade_bust", execution)
    assert (bust["qty"], bust["price"], bust["position_qty"]) == ("10", "101", "0")
    assert bust["order"]["filled_qty"] == "0"
    assert status(exchange, order) == "filled"
    again = refusal(exchange, "bust", execution=execution)
    assert again.message == f"execution {execution} does not stand"


def test_a_correction_changes_price_and_quantity_and_can_be_corrected_again() -> None:
    exchange = an_exchange()
    order = submit(exchange)
    exchange.advance(opened(1))
    with heard(exchange) as told:
        exchange.perform("correct", {"price": "100", "qty": "8"})
        exchange.perform("correct", {"price": "99"})
    ledger = exchange.market.brokerage.ledger
    assert ledger.cash == CASH - 8 * 99
    assert ledger.quantities[InstrumentId("AAA")] == 8
    first, second = told
    assert (first["event"], first["price"], first["qty"]) == ("trade_correct", "100", "8")
    assert second["previous_execution_id"] == first["execution_id"]
    row = shown(exchange, order)
    assert (row["filled_qty"], row["filled_avg_price"]) == ("8", "99")
    wrong = refusal(exchange, "correct", qty="20")
    assert (wrong.status, wrong.code) == (422, 42210000)


@pytest.mark.parametrize(
    "state", ["suspended", "stopped", "calculated", "done_for_day", "accepted_for_bidding"]
)
def test_a_rare_status_is_told_and_the_order_goes_on(state: str) -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    order = submit(exchange, time_in_force="gtc")
    with heard(exchange) as told:
        exchange.perform("mark", {"order": order, "status": state})
        assert status(exchange, order) == state
        exchange.advance(opened(2))
    assert [each["event"] for each in told] == [state, "fill"]


def test_an_order_placed_by_hand_is_the_accounts_like_any_other() -> None:
    exchange = an_exchange()
    answer = exchange.perform("place_external", {"body": a_body()})
    assert isinstance(answer, Mapping)
    exchange.advance(opened(1))
    assert shown(exchange, answer["id"])["status"] == "filled"
    assert exchange.market.brokerage.ledger.quantities[InstrumentId("AAA")] == Decimal(10)


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("hold", {}, "there is no order yet"),
        ("hold", {"order": "no"}, "order not found for no"),
        ("bust", {}, "execution None does not stand"),
        ("correct", {"execution": "no"}, "execution no does not stand"),
        ("both_legs", {}, "there is no order yet"),
    ],
)
def test_a_fate_for_nothing_is_refused(name: str, given: dict[str, Any], message: str) -> None:
    assert refusal(an_exchange(), name, **given).message == message


def test_a_fate_that_an_order_cannot_have_is_refused() -> None:
    exchange = an_exchange()
    order = submit(exchange)
    assert "has no two exits" in refusal(exchange, "both_legs", order=order).message
    assert (
        "invalid status: filled" in refusal(exchange, "mark", order=order, status="filled").message
    )
    exchange.perform("cancel", {"order": order})
    assert refusal(exchange, "reject", order=order).message.endswith('"canceled" state')
