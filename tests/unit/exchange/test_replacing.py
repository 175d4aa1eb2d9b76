"""Replacing an order: the chain of ids, what may change, and the race with a fill."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.asking import (
    THIN,
    fractionable,
    heard,
    refusal,
    shown,
    status,
    submit,
)
from tests.unit.exchange.builders import an_exchange, closed, opened
from tradewright.exchange.exchange import Exchange

LIMIT: dict[str, Any] = {"type": "limit", "limit_price": "90", "time_in_force": "gtc"}


def replace(exchange: Exchange, order: str, **body: Any) -> Mapping[str, Any]:
    """Replace an order and return its successor."""
    answer = exchange.perform("replace", {"order": order, "body": body})
    assert isinstance(answer, Mapping)
    return answer


def at_work(**changes: Any) -> tuple[Exchange, str]:
    """An exchange in its first session with a buy order at work, by default far below."""
    exchange = an_exchange(leverage=Decimal(2))
    exchange.advance(opened(1))
    return exchange, submit(exchange, **{**LIMIT, **changes})


def test_a_successor_has_its_own_ids_and_the_chain_is_told() -> None:
    exchange, old = at_work(client_order_id="first")
    with heard(exchange) as told:
        answer = replace(exchange, old, qty="12", limit_price="91", client_order_id="second")
    assert (answer["status"], answer["replaces"]) == ("pending_new", old)
    assert (answer["qty"], answer["limit_price"], answer["client_order_id"]) == (
        "12",
        "91",
        "second",
    )
    new = str(answer["id"])
    before, after = shown(exchange, old), shown(exchange, new)
    assert (before["status"], before["replaced_by"]) == ("replaced", new)
    assert before["replaced_at"] == "2024-01-03T14:30:00Z"
    assert (before["qty"], before["limit_price"]) == ("10", "90")
    assert (after["status"], after["replaces"]) == ("new", old)
    assert [(each["event"], each["order"]["id"]) for each in told] == [
        ("pending_replace", old),
        ("replaced", old),
        ("pending_new", new),
        ("new", new),
    ]
    assert refusal(exchange, client_order_id="second", **LIMIT).message == (
        "client_order_id must be unique"
    )


def test_a_successor_fills_and_its_predecessor_never_does() -> None:
    exchange, old = at_work()
    new = str(replace(exchange, old, limit_price="99")["id"])
    exchange.advance(closed(2))
    assert (status(exchange, old), status(exchange, new)) == ("replaced", "filled")
    assert shown(exchange, old)["filled_qty"] == "0"
    again = refusal(exchange, "cancel", order=old)
    assert again.message == 'order is already in "replaced" state'


def test_what_was_filled_before_stays_with_the_old_order() -> None:
    exchange = an_exchange(model=THIN)
    old = submit(exchange, qty="150", type="limit", limit_price="110", time_in_force="gtc")
    exchange.advance(opened(1))
    assert shown(exchange, old)["filled_qty"] == "100"
    # Of 160 in all, 100 are filled: the successor is for 60.
    answer = replace(exchange, old, qty="160")
    new = str(answer["id"])
    assert (answer["qty"], answer["filled_qty"]) == ("60", "0")
    exchange.advance(closed(2))
    assert (shown(exchange, old)["filled_qty"], shown(exchange, new)["filled_qty"]) == ("100", "60")
    assert status(exchange, new) == "filled"
    rows = exchange.orders.executions
    assert [(row["order_id"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        (old, "100", "50"),
        (new, "60", "0"),
    ]


def test_a_chain_of_replacements_counts_every_fill_once() -> None:
    exchange = an_exchange(model=THIN)
    first = submit(exchange, qty="150", type="limit", limit_price="110", time_in_force="gtc")
    exchange.advance(opened(1))
    second = str(replace(exchange, first, qty="250")["id"])
    exchange.advance(opened(2))
    assert shown(exchange, second)["filled_qty"] == "100"
    third = str(replace(exchange, second, qty="110")["id"])
    assert shown(exchange, third)["qty"] == "10"
    exchange.advance(opened(3))
    assert [shown(exchange, each)["filled_qty"] for each in (first, second, third)] == [
        "100",
        "100",
        "10",
    ]
    assert exchange.market.brokerage.ledger.quantities.popitem()[1] == 210


@pytest.mark.parametrize(
    ("kind", "body", "shows"),
    [
        ({}, {"limit_price": "91.5"}, {"limit_price": "91.5", "qty": "10"}),
        ({}, {"time_in_force": "day"}, {"time_in_force": "day"}),
        ({}, {"qty": 11}, {"qty": "11"}),
        (
            {"type": "stop", "stop_price": "110", "limit_price": None},
            {"stop_price": "111"},
            {"stop_price": "111"},
        ),
        (
            {"type": "stop_limit", "stop_price": "110", "limit_price": "112"},
            {"limit_price": "113"},
            {"stop_price": "110", "limit_price": "113"},
        ),
        (
            {"type": "trailing_stop", "trail_price": "5", "limit_price": None},
            {"trail": "6"},
            {"trail_price": "6"},
        ),
        (
            {"type": "trailing_stop", "trail_percent": "5", "limit_price": None},
            {"trail": "6.5"},
            {"trail_percent": "6.5", "trail_price": None},
        ),
    ],
)
def test_what_is_not_named_stays(
    kind: dict[str, Any], body: dict[str, Any], shows: dict[str, Any]
) -> None:
    exchange, order = at_work(**kind)
    new = shown(exchange, str(replace(exchange, order, **body)["id"]))
    assert {field: new[field] for field in shows} == shows


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "order parameters are not changed"),
        ({"qty": "10", "limit_price": "90.00"}, "order parameters are not changed"),
        ({"client_order_id": "only"}, "order parameters are not changed"),
        ({"qty": "0"}, "qty must be > 0"),
        ({"qty": "10.5"}, "qty of fractional orders cannot be changed"),
        ({"limit_price": "91.001"}, "invalid limit_price 91.001. sub-penny"),
        ({"stop_price": "91"}, "limit orders require no stop price"),
        ({"trail": "1"}, "limit orders take no trail"),
        ({"time_in_force": "soon"}, "invalid time_in_force: soon"),
        ({"notional": "50"}, "notional cannot be replaced"),
        ({"colour": "red"}, "colour is not supported"),
        ({"limit_price": "160"}, "limit price is too far away"),
        ({"qty": "100000"}, "insufficient buying power"),
        ({"qty": "12", "client_order_id": "taken"}, "client_order_id must be unique"),
    ],
)
def test_a_replacement_that_breaks_a_rule_changes_nothing(
    body: dict[str, Any], message: str
) -> None:
    exchange, order = at_work(client_order_id="taken")
    refused = refusal(exchange, "replace", order=order, body=body)
    assert refused.message.startswith(message)
    assert (status(exchange, order), len(exchange.orders.tickets)) == ("new", 1)
    assert replace(exchange, order, qty="11")["replaces"] == order


def test_an_order_that_is_not_at_work_cannot_be_replaced() -> None:
    exchange = an_exchange()
    order = submit(exchange, **LIMIT)
    early = refusal(exchange, "replace", order=order, body={"qty": "12"})
    assert (early.status, early.code) == (422, 42210000)
    assert early.message == "cannot replace order in accepted status"
    exchange.advance(opened(1))
    for state in ("pending_cancel", "pending_replace"):
        exchange.perform("mark", {"order": order, "status": state})
        refused = refusal(exchange, "replace", order=order, body={"qty": "12"})
        assert refused.message == f"cannot replace order in {state} status"
    exchange.perform("mark", {"order": order, "status": "new"})
    exchange.perform("cancel", {"order": order})
    ended = refusal(exchange, "replace", order=order, body={"qty": "12"})
    assert ended.message == "unable to replace order, order is not open"


def test_parts_of_shares_keep_their_quantity_and_notional_orders_all() -> None:
    exchange = an_exchange(fractionable())
    exchange.advance(opened(1))
    part = submit(exchange, qty="1.5", type="limit", limit_price="90")
    refused = refusal(exchange, "replace", order=part, body={"qty": "2"})
    assert refused.message.startswith("qty of fractional orders cannot be changed")
    assert replace(exchange, part, limit_price="91")["qty"] == "1.5"
    worth = submit(exchange, qty=None, notional="50", type="limit", limit_price="90")
    refused = refusal(exchange, "replace", order=worth, body={"limit_price": "91"})
    assert refused.message == "notional orders cannot be replaced"


def test_more_than_is_held_cannot_be_asked_for_by_replacing() -> None:
    exchange, _ = at_work(type="market", limit_price=None)
    exchange.advance(opened(2))
    order = submit(exchange, side="sell", qty="6", type="limit", limit_price="200")
    refused = refusal(exchange, "replace", order=order, body={"qty": "11"})
    assert refused.message.startswith("insufficient qty available for order (requested: 11")
    assert replace(exchange, order, qty="10")["qty"] == "10"


def test_a_fill_that_comes_first_rejects_the_successor() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    twisted = {"body": {**LIMIT, "symbol": "AAA", "qty": "10", "side": "buy"}}
    answer = exchange.perform("submit", {**twisted, "twist": {"replace_race": True}})
    assert isinstance(answer, Mapping)
    old = str(answer["id"])
    with heard(exchange) as told:
        successor = replace(exchange, old, limit_price="91")
    new = str(successor["id"])
    assert successor["status"] == "pending_new"
    assert (status(exchange, old), status(exchange, new)) == ("filled", "rejected")
    assert shown(exchange, old)["replaced_by"] is None
    assert shown(exchange, new)["failed_at"] is not None
    assert [(each["event"], each["order"]["id"]) for each in told] == [
        ("pending_replace", old),
        ("fill", old),
        ("order_replace_rejected", old),
        ("rejected", new),
    ]


def test_an_exit_may_be_moved_but_not_past_the_other() -> None:
    exchange = an_exchange()
    order = submit(
        exchange,
        order_class="bracket",
        time_in_force="gtc",
        take_profit={"limit_price": "120"},
        stop_loss={"stop_price": "80"},
    )
    held = shown(exchange, order)["legs"][1]["id"]
    moved = str(replace(exchange, held, stop_price="81")["id"])
    assert [leg["id"] for leg in shown(exchange, order)["legs"]][1] == moved
    exchange.advance(opened(1))
    assert status(exchange, moved) == "new"
    beyond = refusal(exchange, "replace", order=moved, body={"stop_price": "120"})
    assert beyond.message == "stop price must be less than current price"
    profit = shown(exchange, order)["legs"][0]["id"]
    under = refusal(exchange, "replace", order=profit, body={"limit_price": "81"})
    assert under.message == "take_profit.limit_price must be > stop_loss.stop_price"
    assert (
        "cannot be changed" in refusal(exchange, "replace", order=profit, body={"qty": "5"}).message
    )
    nearer = str(replace(exchange, profit, limit_price="105")["id"])
    exchange.advance(closed(2))
    assert [leg["status"] for leg in shown(exchange, order)["legs"]] == ["filled", "canceled"]
    assert shown(exchange, nearer)["filled_avg_price"] == "105"
