"""Orders at the exchange: taken or refused, and what becomes of them as the market moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
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
    take,
)
from tests.unit.exchange.builders import CASH, a_market, an_exchange, closed, opened
from tradewright.core.ids import OrderId
from tradewright.core.session import Calendar, Session
from tradewright.data.history import MarketData
from tradewright.exchange.words import Refused
from tradewright.execution.venue import VenueModel

EVENING = closed(0) + timedelta(hours=3)


def later_by(session: Session, days: int) -> Session:
    later = timedelta(days=days)
    return Session(session.date + later, session.open + later, session.close + later)


def test_an_order_waits_for_the_open_and_fills_at_its_price() -> None:
    exchange = an_exchange()
    with heard(exchange) as seen:
        answer = take(exchange, client_order_id="mine")
        assert (answer["status"], answer["client_order_id"]) == ("accepted", "mine")
        assert answer["expires_at"] == "2024-01-03T21:00:00Z"
        exchange.advance(opened(1))
    assert [data["event"] for data in seen] == ["accepted", "new", "fill"]
    ticket = exchange.orders.ticket_of_client("mine")
    assert ticket.body()["filled_avg_price"] == "101"
    assert ticket.body()["filled_at"] == "2024-01-03T14:30:00Z"
    assert exchange.market.brokerage.ledger.cash == CASH - 1010


def test_an_order_in_an_open_market_is_pending_then_new() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    answer = take(exchange)
    assert answer["status"] == "pending_new"
    order = str(answer["id"])
    assert status(exchange, order) == "new"
    assert exchange.hub.published["trade_updates"] == 2
    exchange.advance(closed(1))
    assert status(exchange, order) == "expired"


@pytest.mark.parametrize(
    ("changes", "session", "expected", "price"),
    [
        ({"type": "limit", "limit_price": "100.5"}, 1, "filled", "100.5"),
        ({"type": "limit", "limit_price": "97"}, 1, "expired", None),
        ({"type": "limit", "limit_price": "97", "time_in_force": "gtc"}, 1, "new", None),
        ({"type": "limit", "limit_price": "97", "time_in_force": "gtc"}, 3, "filled", "97"),
        ({"type": "stop", "stop_price": "103"}, 1, "filled", "103"),
        (
            {"type": "stop_limit", "stop_price": "103", "limit_price": "103.5"},
            1,
            "filled",
            "103",
        ),
    ],
)
def test_each_kind_and_time_in_force_lives_its_life(
    changes: dict[str, Any], session: int, expected: str, price: str | None
) -> None:
    exchange = an_exchange()
    order = submit(exchange, **changes)
    exchange.advance(closed(session))
    assert status(exchange, order) == expected
    assert exchange.orders.ticket(order).body()["filled_avg_price"] == price


@pytest.mark.parametrize(
    ("force", "expected", "filled"), [("ioc", "canceled", "100"), ("fok", "canceled", "0")]
)
def test_orders_at_once_take_what_there_is_or_nothing(
    force: str, expected: str, filled: str
) -> None:
    exchange = an_exchange(model=THIN)
    exchange.advance(opened(1))
    # Its bar has closed and its session has not: the order is for the next print.
    exchange.advance(closed(1), position=exchange.market.position + 1)
    order = submit(exchange, qty="150", time_in_force=force)
    exchange.advance(opened(2))
    assert status(exchange, order) == expected
    assert exchange.orders.ticket(order).body()["filled_qty"] == filled


def test_a_trailing_stop_sells_below_the_best_price() -> None:
    exchange = an_exchange()
    submit(exchange)
    exchange.advance(opened(1))
    order = submit(
        exchange, side="sell", type="trailing_stop", trail_price="5", time_in_force="gtc"
    )
    exchange.advance(closed(2))
    assert status(exchange, order) == "filled"


def test_a_partial_fill_is_told_as_one_and_leaves_the_rest() -> None:
    exchange = an_exchange(model=THIN)
    order = submit(exchange, qty="150", time_in_force="gtc")
    exchange.advance(opened(1))
    assert status(exchange, order) == "partially_filled"
    exchange.advance(opened(2))
    assert status(exchange, order) == "filled"
    rows = exchange.orders.executions
    assert [(row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        ("100", "100", "50"),
        ("50", "150", "0"),
    ]
    assert [row["type"] for row in rows] == ["partial_fill", "fill"]
    # (100 × 101 + 50 × 104) / 150
    assert exchange.orders.ticket(order).body()["filled_avg_price"] == "102"


def test_an_id_stays_used_whatever_became_of_its_order() -> None:
    exchange = an_exchange()
    order = submit(exchange, client_order_id="once")
    working = refusal(exchange, client_order_id="once")
    assert (working.status, working.code) == (422, 42210000)
    exchange.orders.cancel(order)
    ended = refusal(exchange, client_order_id="once")
    assert (ended.status, ended.code) == (422, 40010001)
    assert working.message == ended.message == "client_order_id must be unique"


def test_a_refused_request_leaves_no_order_and_its_id_free() -> None:
    exchange = an_exchange()
    refused = refusal(exchange, client_order_id="again", qty="100000")
    assert (refused.status, refused.code) == (403, 40310000)
    assert refused.body == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "100000",
        "cost_basis": "10000000",
    }
    assert not exchange.orders.tickets
    assert take(exchange, client_order_id="again")["client_order_id"] == "again"


def test_orders_without_an_id_of_the_client_get_one_each() -> None:
    exchange = an_exchange()
    answers = [take(exchange) for _ in range(2)]
    assert len({answer["client_order_id"] for answer in answers}) == 2
    assert len({answer["id"] for answer in answers}) == 2


def test_the_same_requests_get_the_same_ids() -> None:
    first, second = an_exchange(), an_exchange()
    for exchange in (first, second):
        submit(exchange, client_order_id="a")
        exchange.advance(closed(1))
    assert list(first.orders.tickets) == list(second.orders.tickets)
    assert list(first.orders.executions) == list(second.orders.executions)


def test_a_cancel_of_a_working_order_cancels_and_of_a_canceled_one_succeeds() -> None:
    exchange = an_exchange()
    order = exchange.orders.ticket(submit(exchange))
    exchange.orders.cancel(order.id)
    assert (order.status, order.body()["canceled_at"]) == ("canceled", "2024-01-02T21:00:00Z")
    published = exchange.hub.published["trade_updates"]
    exchange.orders.cancel(order.id)
    assert exchange.hub.published["trade_updates"] == published


def test_a_filled_order_cannot_be_canceled() -> None:
    exchange = an_exchange()
    order = submit(exchange)
    exchange.advance(opened(1))
    with pytest.raises(Refused, match='order is already in "filled" state') as refused:
        exchange.orders.cancel(order)
    assert (refused.value.status, refused.value.code) == (422, 42210000)


@pytest.mark.parametrize(
    ("force", "at", "message"),
    [
        ("opg", datetime(2024, 1, 3, 14, 28, tzinfo=UTC), "opg orders must be submitted after"),
        ("opg", datetime(2024, 1, 3, 23, 59, tzinfo=UTC), "7:00pm and before 9:28am"),
        ("cls", datetime(2024, 1, 3, 20, 50, tzinfo=UTC), "7:00pm and before 3:50pm"),
        ("cls", datetime(2024, 1, 3, 23, 59, tzinfo=UTC), "cls orders must be submitted after"),
    ],
)
def test_an_auction_that_has_passed_takes_no_orders(force: str, at: datetime, message: str) -> None:
    exchange = an_exchange()
    exchange.advance(at)
    refused = refusal(exchange, time_in_force=force)
    assert (refused.status, refused.code) == (403, 40310000)
    assert message in refused.message


@pytest.mark.parametrize(
    ("force", "at", "price"),
    [
        ("opg", EVENING, "101"),
        ("opg", datetime(2024, 1, 3, 14, 27, tzinfo=UTC), "101"),
        ("cls", EVENING, "104"),
        ("cls", datetime(2024, 1, 3, 20, 49, tzinfo=UTC), "104"),
    ],
)
def test_an_auction_order_fills_in_its_auction_alone(force: str, at: datetime, price: str) -> None:
    exchange = an_exchange()
    exchange.advance(at)
    order = submit(exchange, time_in_force=force)
    exchange.advance(closed(1))
    assert shown(exchange, order)["filled_avg_price"] == price


def test_the_close_of_a_half_day_moves_the_last_moment_for_its_auction() -> None:
    data = a_market()
    sessions = list(data.calendar.sessions)
    early = closed(5) - timedelta(hours=3)
    sessions[5] = Session(sessions[5].date, sessions[5].open, early, early_close=True)
    calendar = Calendar("XNYS", tuple(sessions))
    exchange = an_exchange(MarketData(data.frame, data.instruments, (), calendar, "half a day"))
    exchange.advance(early - timedelta(minutes=11))
    assert submit(exchange, time_in_force="cls")
    exchange.advance(early - timedelta(minutes=10))
    assert "before 12:50pm" in refusal(exchange, time_in_force="cls").message


def test_a_buy_stop_does_not_run_away_from_its_stop() -> None:
    # Four percent above the stop of a cheap share: the open at 11 lies beyond 10.3 × 1.04.
    jump = [(10.0, 10.0, 10.0, 10.0, 1000.0), (11.0, 11.0, 11.0, 11.0, 1000.0)]
    later = [(11.0, 11.0, 10.5, 10.6, 1000.0)] * 3
    exchange = an_exchange(a_market({"AAA": [*jump, *later]}))
    order = submit(exchange, type="stop", stop_price="10.3", time_in_force="gtc")
    assert (shown(exchange, order)["type"], shown(exchange, order)["limit_price"]) == ("stop", None)
    exchange.advance(closed(1))
    assert status(exchange, order) == "new"
    exchange.advance(closed(2))
    assert shown(exchange, order)["filled_avg_price"] == "10.71"


@pytest.mark.parametrize(
    ("side", "kind", "stop", "relation"),
    [
        ("sell", "stop", "100", "less"),
        ("sell", "stop_limit", "100.01", "less"),
        ("buy", "stop", "100", "greater"),
        ("buy", "stop_limit", "99.99", "greater"),
    ],
)
def test_a_stop_that_the_price_has_passed_is_refused(
    side: str, kind: str, stop: str, relation: str
) -> None:
    limit = "100" if kind == "stop_limit" else None
    exchange = an_exchange(leverage=Decimal(2))
    refused = refusal(exchange, side=side, type=kind, stop_price=stop, limit_price=limit)
    assert (refused.status, refused.code) == (422, 42210000)
    assert refused.message == f"stop price must be {relation} than current price"
    assert refused.facts == {"market_price": "100", "stop_price": stop}


def test_a_limit_that_gives_half_of_the_price_away_is_refused() -> None:
    exchange = an_exchange(leverage=Decimal(2))
    high = refusal(exchange, type="limit", limit_price="150.01")
    low = refusal(exchange, side="sell", type="limit", limit_price="49.99")
    for refused in (high, low):
        assert refused.message == "limit price is too far away from the current price"
    assert submit(exchange, type="limit", limit_price="150")
    assert submit(exchange, type="limit", limit_price="1")


def test_a_notional_order_is_sized_at_the_price_of_now() -> None:
    exchange = an_exchange(fractionable())
    answer = take(exchange, qty=None, notional="250.55")
    assert (answer["notional"], answer["qty"]) == ("250.55", None)
    exchange.advance(opened(1))
    order = shown(exchange, str(answer["id"]))
    # The last price was 100; the order fills at the open, at 101.
    assert (order["status"], order["filled_qty"]) == ("filled", "2.5055")
    assert (order["qty"], order["filled_avg_price"]) == (None, "101")


def test_part_of_a_share_is_bought_and_sold_but_never_short() -> None:
    exchange = an_exchange(fractionable(), leverage=Decimal(2))
    short = refusal(exchange, side="sell", qty="0.5")
    assert (short.status, short.message) == (422, "fractional orders cannot be sold short")
    order = submit(exchange, qty="0.123456789")
    exchange.advance(opened(1))
    assert shown(exchange, order)["filled_qty"] == "0.123456789"
    assert (
        "requested: 0.2, available: 0.123456789"
        in refusal(exchange, side="sell", qty="0.2").message
    )
    assert take(exchange, side="sell", qty="0.123456789")["position_intent"] == "sell_to_close"


def test_an_intent_that_the_position_contradicts_is_refused() -> None:
    refused = refusal(an_exchange(), position_intent="buy_to_close")
    assert refused.message == (
        "position intent mismatch, inferred: buy_to_open, specified: buy_to_close"
    )


def test_an_extended_order_is_new_before_the_open_and_lasts_until_the_evening() -> None:
    exchange = an_exchange()
    evening = closed(0) + timedelta(hours=5)
    exchange.advance(evening)
    limit = {"type": "limit", "limit_price": "90", "extended_hours": True}
    answer = take(exchange, **limit)
    # Tomorrow's hours end at eight in the evening of New York.
    assert (answer["status"], answer["expires_at"]) == ("accepted", "2024-01-04T01:00:00Z")
    order = str(answer["id"])
    exchange.advance(datetime(2024, 1, 3, 8, 59, tzinfo=UTC))
    assert status(exchange, order) == "accepted"
    exchange.advance(datetime(2024, 1, 3, 9, 0, tzinfo=UTC))
    assert status(exchange, order) == "new"
    assert take(exchange, **limit)["status"] == "pending_new"
    exchange.advance(closed(1) + timedelta(hours=3, minutes=59))
    assert status(exchange, order) == "new"
    exchange.advance(closed(1) + timedelta(hours=4))
    assert shown(exchange, order)["expired_at"] == "2024-01-04T01:00:00Z"
    assert not exchange.market.brokerage.orders[OrderId(order)].remaining


def test_what_is_good_until_canceled_is_canceled_ninety_days_later() -> None:
    data = a_market()
    summer = datetime(2024, 4, 1, 13, 30, tzinfo=UTC)
    far = Session(summer.date(), summer, summer + timedelta(hours=6.5))
    calendar = Calendar("XNYS", (*data.calendar.sessions, far, later_by(far, 1)))
    exchange = an_exchange(MarketData(data.frame, data.instruments, (), calendar, "a spring"))
    order = submit(exchange, type="limit", limit_price="50", time_in_force="gtc")
    # Summer time has come by then: a quarter past four in New York is 20:15.
    assert shown(exchange, order)["expires_at"] == "2024-04-01T20:15:00Z"
    exchange.advance(datetime(2024, 4, 1, 20, 14, 59, tzinfo=UTC))
    assert status(exchange, order) == "new"
    exchange.advance(datetime(2024, 4, 1, 20, 15, tzinfo=UTC))
    assert shown(exchange, order)["canceled_at"] == "2024-04-01T20:15:00Z"


def test_a_cancel_that_takes_a_while_is_pending_and_may_lose_to_a_fill() -> None:
    slow = VenueModel(THIN.costs, cancel_delay=timedelta(days=2))
    exchange = an_exchange(model=slow)
    order = submit(exchange)
    other = submit(exchange, type="limit", limit_price="50", time_in_force="gtc")
    with heard(exchange) as told:
        exchange.perform("cancel", {"order": order})
        exchange.perform("cancel", {"order": order})
        exchange.perform("cancel", {"order": other})
        exchange.advance(opened(1))
        exchange.advance(closed(2))
    assert [each["event"] for each in told if each["order"]["id"] == order] == [
        "pending_cancel",
        "fill",
    ]
    assert told[0]["order"]["cancel_requested_at"] == "2024-01-02T21:00:00Z"
    assert (status(exchange, order), status(exchange, other)) == ("filled", "canceled")


def test_all_open_orders_are_canceled_and_each_is_accounted_for() -> None:
    exchange = an_exchange()
    orders = [submit(exchange, client_order_id=name) for name in "abc"]
    exchange.perform("mark", {"order": "b", "status": "pending_replace"})
    rows = exchange.perform("cancel_all", {})
    assert isinstance(rows, list)
    assert [(row["id"], row["status"]) for row in rows] == list(
        zip(orders, [200, 422, 200], strict=True)
    )
    assert rows[1]["body"]["message"] == "unable to cancel order in pending_replace status"


def test_updates_are_numbered_so_that_later_ones_sort_after_earlier_ones() -> None:
    exchange = an_exchange()
    with heard(exchange) as told:
        submit(exchange)
        exchange.advance(opened(1))
        submit(exchange, type="limit", limit_price="100", time_in_force="gtc")
        exchange.advance(closed(2))
    numbers = [each["event_id"] for each in told]
    assert numbers == sorted(set(numbers))
    assert {len(number) for number in numbers} == {26}
    assert told[-1]["event"] == "fill"
    assert told[-1]["position_qty"] == "20"


def test_a_trailing_stop_shows_how_far_it_has_followed() -> None:
    exchange = an_exchange()
    submit(exchange)
    exchange.advance(opened(1))
    order = submit(
        exchange, side="sell", type="trailing_stop", trail_percent="20", time_in_force="gtc"
    )
    assert (shown(exchange, order)["hwm"], shown(exchange, order)["stop_price"]) == ("100", "80")
    exchange.advance(closed(2))
    # It began to follow at the open of the second day, 104, and the day's high is 106.
    assert (shown(exchange, order)["hwm"], shown(exchange, order)["stop_price"]) == ("106", "84.8")


def test_the_symbol_may_be_the_id_of_the_asset() -> None:
    exchange = an_exchange()
    asset = take(exchange)["asset_id"]
    assert take(exchange, symbol=asset)["symbol"] == "AAA"


def test_what_is_listed_no_more_is_not_active() -> None:
    data = a_market()
    gone = {
        name: replace(item, delisted=date(2024, 1, 1)) for name, item in data.instruments.items()
    }
    refused = refusal(an_exchange(replace(data, instruments=gone)))
    assert (refused.status, refused.code) == (422, 40010001)
    assert refused.message == "asset AAA is not active"
