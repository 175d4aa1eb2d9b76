"""The replayed market: statuses as time passes, what is published, and what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from tests.unit.exchange.builders import (
    CASH,
    DAYS,
    a_market,
    a_replay,
    closed,
    opened,
)
from tradewright.core.errors import MissingData
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Split
from tradewright.core.session import Span
from tradewright.exchange import account, lists
from tradewright.exchange.market import ReplayMarket
from tradewright.exchange.words import Refused
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, NoCommission, TradingCosts

MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


def a_body(**changes: Any) -> dict[str, Any]:
    return {**MARKET, **changes}


def submit(market: ReplayMarket, **changes: Any) -> str:
    return str(market.submit(a_body(**changes))["id"])


def status(market: ReplayMarket, order: str) -> str:
    return market.ticket(order).status


def refusal(market: ReplayMarket, **changes: Any) -> Refused:
    with pytest.raises(Refused) as refused:
        market.submit(a_body(**changes))
    return refused.value


def test_an_order_waits_for_the_open_and_fills_at_its_price() -> None:
    market = a_replay()
    with market.listen() as updates:
        answer = market.submit(a_body(client_order_id="mine"))
        assert (answer["status"], answer["client_order_id"]) == ("accepted", "mine")
        assert answer["expires_at"] == "2024-01-03T21:00:00Z"
        market.advance(opened(1))
        seen = [updates.get_nowait()["data"] for _ in range(updates.qsize())]
    assert [data["event"] for data in seen] == ["accepted", "new", "fill"]  # type: ignore[index,call-overload]
    ticket = market.ticket_of_client("mine")
    assert ticket.body()["filled_avg_price"] == "101"
    assert ticket.body()["filled_at"] == "2024-01-03T14:30:00Z"
    assert market.brokerage.ledger.cash == CASH - 1010


def test_an_order_in_an_open_market_is_pending_then_new() -> None:
    market = a_replay()
    market.advance(opened(1))
    answer = market.submit(a_body())
    assert answer["status"] == "pending_new"
    order = str(answer["id"])
    assert status(market, order) == "new"
    assert market.published == 2
    market.advance(closed(1))
    assert status(market, order) == "expired"


def test_time_does_not_go_back_and_standing_still_changes_nothing() -> None:
    market = a_replay()
    market.advance(closed(1))
    lived = market.position
    for to in (opened(1), closed(1)):
        market.advance(to)
        assert (market.now, market.position) == (closed(1), lived)


def test_events_of_one_time_can_be_lived_through_one_by_one() -> None:
    market = a_replay()
    order = submit(market)
    market.advance(closed(0))
    before = market.position
    market.advance(opened(1), position=before + 1)
    assert (market.position, status(market, order)) == (before + 1, "new")
    market.advance(opened(1), position=before + 2)
    assert (market.position, status(market, order)) == (before + 2, "filled")
    market.advance(opened(1), position=before + 1)
    assert market.position == before + 2


def test_a_position_that_was_reached_leaves_the_clock_at_its_event() -> None:
    market = a_replay()
    market.advance(opened(1))
    market.advance(closed(1), position=market.position)
    assert market.now == opened(1)


def test_the_replay_ends() -> None:
    market = a_replay()
    market.advance(closed(6))
    assert market.done
    assert market.next_at is None
    assert market.now == closed(6)


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
        ({"time_in_force": "cls"}, 1, "filled", "104"),
        ({"time_in_force": "opg"}, 1, "filled", "101"),
    ],
)
def test_each_kind_and_time_in_force_lives_its_life(
    changes: dict[str, Any], session: int, expected: str, price: str | None
) -> None:
    market = a_replay()
    order = submit(market, **changes)
    market.advance(closed(session))
    assert status(market, order) == expected
    assert market.ticket(order).body()["filled_avg_price"] == price


@pytest.mark.parametrize(
    ("force", "expected", "filled"), [("ioc", "canceled", "100"), ("fok", "canceled", "0")]
)
def test_orders_at_once_take_what_there_is_or_nothing(
    force: str, expected: str, filled: str
) -> None:
    thin = VenueModel(
        TradingCosts(NoCommission(), BasisPoints(Decimal(0))), volume_share=Decimal("0.1")
    )
    market = a_replay(model=thin)
    market.advance(opened(1))
    # Its bar has closed and its session has not: the order is for the next print.
    market.advance(closed(1), position=market.position + 1)
    order = submit(market, qty="150", time_in_force=force)
    market.advance(opened(2))
    assert status(market, order) == expected
    assert market.ticket(order).body()["filled_qty"] == filled


def test_a_trailing_stop_sells_below_the_best_price() -> None:
    market = a_replay()
    submit(market)
    market.advance(opened(1))
    order = submit(market, side="sell", type="trailing_stop", trail_price="5", time_in_force="gtc")
    market.advance(closed(2))
    assert status(market, order) == "filled"


def test_a_partial_fill_is_told_as_one_and_leaves_the_rest() -> None:
    thin = VenueModel(
        TradingCosts(NoCommission(), BasisPoints(Decimal(0))), volume_share=Decimal("0.1")
    )
    market = a_replay(model=thin)
    order = submit(market, qty="150", time_in_force="gtc")
    market.advance(opened(1))
    assert status(market, order) == "partially_filled"
    market.advance(opened(2))
    assert status(market, order) == "filled"
    rows = lists.executions(market, {"direction": "asc"})
    assert [(row["qty"], row["cum_qty"], row["leaves_qty"]) for row in rows] == [
        ("100", "100", "50"),
        ("50", "150", "0"),
    ]
    assert [row["type"] for row in rows] == ["partial_fill", "fill"]
    # (100 × 101 + 50 × 104) / 150
    assert market.ticket(order).body()["filled_avg_price"] == "102"


def test_an_id_stays_used_whatever_became_of_its_order() -> None:
    market = a_replay()
    order = submit(market, client_order_id="once")
    working = refusal(market, client_order_id="once")
    assert (working.status, working.code) == (422, 42210000)
    market.cancel(market.ticket(order))
    ended = refusal(market, client_order_id="once")
    assert (ended.status, ended.code) == (422, 40010001)
    assert working.message == ended.message == "client_order_id must be unique"


def test_a_refused_request_leaves_no_order_and_its_id_free() -> None:
    market = a_replay()
    refused = refusal(market, client_order_id="again", qty="100000")
    assert (refused.status, refused.code) == (403, 40310000)
    assert refused.body == {
        "code": 40310000,
        "message": "insufficient buying power",
        "buying_power": "100000",
        "cost_basis": "10000000",
    }
    assert not market.tickets
    assert market.submit(a_body(client_order_id="again"))["client_order_id"] == "again"


def test_orders_without_an_id_of_the_client_get_one_each() -> None:
    market = a_replay()
    answers = [market.submit(a_body()) for _ in range(2)]
    assert len({answer["client_order_id"] for answer in answers}) == 2
    assert len({answer["id"] for answer in answers}) == 2


def test_the_same_requests_get_the_same_ids() -> None:
    first, second = a_replay(), a_replay()
    for market in (first, second):
        submit(market, client_order_id="a")
        market.advance(closed(1))
    assert list(first.tickets) == list(second.tickets)
    assert first.executions == second.executions


def test_more_than_is_held_cannot_be_sold() -> None:
    market = a_replay()
    submit(market)
    market.advance(opened(1))
    submit(market, side="sell", qty="4", type="limit", limit_price="200")
    refused = refusal(market, side="sell", qty="7")
    assert (refused.status, refused.code) == (403, 40310000)
    assert refused.message == "insufficient qty available for order (requested: 7, available: 6)"
    assert refused.facts["held_for_orders"] == "4"
    assert submit(market, side="sell", qty="6")


def test_what_cannot_be_shorted_is_not() -> None:
    market = a_replay(a_market(shortable=False))
    refused = refusal(market, side="sell")
    assert (refused.status, refused.message) == (422, 'asset "AAA" cannot be sold short')


def test_a_short_position_is_negative_and_can_be_covered() -> None:
    market = a_replay()
    submit(market, side="sell")
    market.advance(opened(1))
    position = account.position(market, "AAA")
    assert (position["side"], position["qty"]) == ("short", "-10")
    answer = market.submit(a_body(side="buy"))
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
    market = a_replay()
    submit(market, **first)
    if not refused:
        assert submit(market, **second)
        return
    wash = refusal(market, **second)
    assert (wash.status, wash.code) == (403, 40310000)
    assert wash.message == "potential wash trade detected. use complex orders"


def test_a_cancel_of_a_working_order_cancels_and_of_a_canceled_one_succeeds() -> None:
    market = a_replay()
    order = market.ticket(submit(market))
    market.cancel(order)
    assert (order.status, order.body()["canceled_at"]) == ("canceled", "2024-01-02T21:00:00Z")
    published = market.published
    market.cancel(order)
    assert market.published == published


def test_a_filled_order_cannot_be_canceled() -> None:
    market = a_replay()
    order = submit(market)
    market.advance(opened(1))
    with pytest.raises(Refused, match='order is already in "filled" state') as refused:
        market.cancel(market.ticket(order))
    assert (refused.value.status, refused.value.code) == (422, 42210000)


def test_a_split_cancels_orders_and_keeps_the_value() -> None:
    split = Split(InstrumentId("AAA"), date(2024, 1, 4), Fraction(2))
    halved = [(p, p, p, p, 1000.0) for p in (100.0, 100.0, 50.0, 50.0, 50.0)]
    market = a_replay(a_market({"AAA": halved}, (split,)))
    submit(market)
    market.advance(closed(1))
    order = submit(market, type="limit", limit_price="90", time_in_force="gtc")
    market.advance(opened(2))
    assert status(market, order) == "canceled"
    position = account.position(market, "AAA")
    assert (position["qty"], position["market_value"]) == ("20", "1000")
    assert (position["lastday_price"], position["change_today"]) == ("50", "0")


def test_profit_of_today_counts_from_the_entry_for_what_was_opened_today() -> None:
    market = a_replay()
    submit(market)
    market.advance(closed(1))
    today = account.position(market, "AAA")
    assert (today["unrealized_pl"], today["unrealized_intraday_pl"]) == ("30", "30")
    market.advance(closed(2))
    tomorrow = account.position(market, "AAA")
    assert (tomorrow["unrealized_pl"], tomorrow["unrealized_intraday_pl"]) == ("-20", "-50")
    assert account.account(market)["last_equity"] == "99980"


def test_a_span_without_bars_says_so() -> None:
    with pytest.raises(MissingData, match="choose --from and --to"):
        a_replay(span=Span(DAYS[5], DAYS[6]))


def test_a_replay_may_begin_with_the_first_bar_of_all() -> None:
    market = a_replay(span=Span(DAYS[0], DAYS[1]))
    assert market.now < opened(0)
    market.advance(opened(0))
    assert market.brokerage.session is not None


def test_pages_of_executions_follow_the_token() -> None:
    market = a_replay()
    for number in range(5):
        submit(market, client_order_id=str(number))
    market.advance(closed(1))
    every = lists.executions(market, {"direction": "asc"})
    paged: list[Any] = []
    query = {"direction": "asc", "page_size": "2"}
    while page := lists.executions(market, query):
        paged += page
        query = {**query, "page_token": str(page[-1]["id"])}
    assert paged == every
    assert len(paged) == 5
    assert lists.executions(market, {}) == every[::-1]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"after": "2024-01-03T14:30:00Z"}, 0),
        ({"after": "2024-01-03T14:29:59.999Z"}, 1),
        ({"until": "2024-01-03T14:30:00Z"}, 0),
        ({"date": "2024-01-03"}, 1),
        ({"date": "2024-01-04"}, 0),
    ],
)
def test_executions_between_times_leave_both_ends_out(query: dict[str, str], count: int) -> None:
    market = a_replay()
    submit(market)
    market.advance(closed(1))
    assert len(lists.executions(market, query)) == count


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["c", "b"]),
        ({"direction": "asc"}, ["b", "c"]),
        ({"status": "closed"}, ["a"]),
        ({"status": "all", "limit": "2"}, ["c", "b"]),
        ({"status": "all", "symbols": "AAA,ZZZ"}, ["b", "a"]),
        ({"status": "all", "side": "sell"}, []),
        ({"status": "all", "after": "2024-01-02T21:00:00Z"}, ["c", "b"]),
        ({"status": "all", "until": "2024-01-03T21:00:00Z"}, ["a"]),
        ({"status": "all", "asset_class": "crypto"}, []),
    ],
)
def test_orders_are_listed_by_what_is_asked(query: dict[str, str], expected: list[str]) -> None:
    market = a_replay()
    submit(market, client_order_id="a")
    market.advance(closed(1))
    submit(market, client_order_id="b", time_in_force="gtc")
    submit(market, client_order_id="c", symbol="BBB", time_in_force="gtc")
    assert [row["client_order_id"] for row in lists.orders(market, query)] == expected


def test_orders_are_paged_by_the_id_of_the_last_one() -> None:
    market = a_replay()
    ids = [submit(market, client_order_id=str(number)) for number in range(3)]
    query = {"direction": "asc", "after_order_id": ids[0]}
    assert [row["id"] for row in lists.orders(market, query)] == ids[1:]
    query = {"direction": "asc", "before_order_id": ids[2]}
    assert [row["id"] for row in lists.orders(market, query)] == ids[:2]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "open-ish"},
        {"limit": "501"},
        {"limit": "0"},
        {"limit": "²"},
        {"direction": "up"},
        {"after": "yesterday"},
        {"after_order_id": "x", "after": "2024-01-02"},
        {"after_order_id": "not-there"},
    ],
)
def test_a_query_that_makes_no_sense_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(Refused):
        lists.orders(a_replay(), query)


def test_a_clock_beyond_the_calendar_says_so() -> None:
    market = a_replay()
    market.advance(closed(6))
    with pytest.raises(Refused, match="calendar has ended"):
        account.clock(market)
