"""Alpaca's words to ours: every status, every event, and messages that make no sense."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tradewright.adapters.alpaca.mapping import (
    ORDER_FIELDS,
    STATUSES,
    Symbols,
    execution,
    number,
    order_request,
    replace_request,
    status_of,
    time_of,
    trade_update,
    venue_account,
    venue_order,
)
from tradewright.adapters.alpaca.reading import Parked
from tradewright.core.errors import InvalidInput
from tradewright.core.events import (
    Accepted,
    Canceled,
    CancelRefused,
    Expired,
    Filled,
    FillReversed,
    Rejected,
    Replaced,
    Reported,
)
from tradewright.core.ids import InstrumentId, OrderId, StrategyId
from tradewright.core.instrument import Instrument
from tradewright.core.money import Money, Price, Quantity
from tradewright.core.orders import Order, OrderKind, OrderStatus, Side, TimeInForce

AT = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
DOCUMENT = Path(__file__).parents[4] / "shared/data/alpaca-openapi/trading-api.json"

TABLE = {
    "new": OrderStatus.NEW,
    "partially_filled": OrderStatus.PARTIALLY_FILLED,
    "filled": OrderStatus.FILLED,
    "done_for_day": OrderStatus.DONE_FOR_DAY,
    "canceled": OrderStatus.CANCELED,
    "expired": OrderStatus.EXPIRED,
    "replaced": OrderStatus.REPLACED,
    "pending_cancel": OrderStatus.PENDING_CANCEL,
    "pending_replace": OrderStatus.PENDING_REPLACE,
    "accepted": OrderStatus.ACCEPTED,
    "pending_new": OrderStatus.ACCEPTED,
    "accepted_for_bidding": OrderStatus.ACCEPTED_FOR_BIDDING,
    "stopped": OrderStatus.STOPPED,
    "rejected": OrderStatus.REJECTED,
    "suspended": OrderStatus.SUSPENDED,
    "calculated": OrderStatus.CALCULATED,
    "held": OrderStatus.HELD,
    "pending_review": OrderStatus.HELD,
}


def an_order(**changes: Any) -> Order:
    facts: dict[str, Any] = {
        "id": OrderId("our-id"),
        "strategy": StrategyId("s"),
        "instrument": InstrumentId("AAPL"),
        "side": Side.BUY,
        "quantity": Quantity(Decimal(100)),
        "kind": OrderKind.MARKET,
        "time_in_force": TimeInForce.DAY,
        "decided_at": AT,
    }
    return Order(**{**facts, **changes})


def their_order(**changes: Any) -> dict[str, Any]:
    body = {
        "id": "venue-id",
        "client_order_id": "our-id",
        "created_at": "2026-01-05T14:30:00.123456789Z",
        "updated_at": "2026-01-05T09:30:01.5-05:00",
        "submitted_at": "2026-01-05T14:30:00Z",
        "symbol": "AAPL",
        "side": "buy",
        "qty": "100",
        "filled_qty": "0",
        "filled_avg_price": None,
        "status": "new",
    }
    return {**body, **changes}


NO_TIMES = {"updated_at": "?", "submitted_at": "?"}


def an_update(event: str, order: dict[str, Any] | None = None, **facts: Any) -> dict[str, Any]:
    return {
        "event": event,
        "timestamp": "2026-01-05T14:30:02Z",
        "order": order or their_order(),
        **facts,
    }


@pytest.mark.parametrize(("raw", "status"), TABLE.items())
def test_each_status_of_theirs_has_one_of_ours(raw: str, status: OrderStatus) -> None:
    assert status_of(raw) is status


def test_the_table_holds_every_status_of_their_document() -> None:
    if not DOCUMENT.exists():
        pytest.skip("allowed: the vendor's OpenAPI document is not beside the repository")
    document = json.loads(DOCUMENT.read_text())
    theirs = set(document["components"]["schemas"]["OrderStatus"]["enum"])
    assert theirs <= set(STATUSES)
    assert set(STATUSES) == set(TABLE)


def test_an_unknown_status_is_none_and_its_word_is_kept() -> None:
    known = venue_order(their_order(status="teleported", a_new_field={"x": 1}))
    assert known.status is None
    assert known.raw_status == "teleported"


def test_an_order_is_read_with_the_time_of_its_last_update() -> None:
    known = venue_order(their_order(filled_qty="40", filled_avg_price="190.125"))
    assert (known.id, known.venue_id) == ("our-id", "venue-id")
    assert (known.filled, known.average_price) == (Decimal(40), Decimal("190.125"))
    assert known.updated_at == datetime(2026, 1, 5, 14, 30, 1, 500_000, tzinfo=UTC)


def test_null_times_fall_back_to_those_that_are_there() -> None:
    known = venue_order(their_order(updated_at=None, submitted_at=None))
    assert known.updated_at == datetime(2026, 1, 5, 14, 30, 0, 123_456, tzinfo=UTC)


@pytest.mark.parametrize("missing", ["id", "client_order_id", "status"])
def test_an_order_without_its_id_or_status_is_refused(missing: str) -> None:
    with pytest.raises(InvalidInput, match=missing):
        venue_order(their_order(**{missing: None}))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-05T14:30:00Z", AT),
        ("2026-01-05T09:30:00-05:00", AT),
        ("2026-01-05T14:30:00.000000999Z", AT),
        ("2026-01-05T14:30:00.1Z", AT.replace(microsecond=100_000)),
    ],
)
def test_times_of_any_precision_and_offset_are_utc(text: str, expected: datetime) -> None:
    assert time_of(text) == expected
    assert time_of(text).tzinfo is UTC


@pytest.mark.parametrize("text", ["2026-01-05T14:30:00", "yesterday", None, 1767623400])
def test_times_without_offset_or_sense_are_refused(text: object) -> None:
    with pytest.raises(InvalidInput):
        time_of(text)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, {"type": "market"}),
        (
            {"kind": OrderKind.LIMIT, "limit": Price(Decimal("190.10")), "side": Side.SELL},
            {"type": "limit", "limit_price": "190.1", "side": "sell"},
        ),
        (
            {"kind": OrderKind.STOP, "stop": Price(Decimal(1000))},
            {"type": "stop", "stop_price": "1000"},
        ),
        (
            {
                "kind": OrderKind.STOP_LIMIT,
                "stop": Price(Decimal("0.0101")),
                "limit": Price(Decimal("0.02")),
                "time_in_force": TimeInForce.GTC,
            },
            {
                "type": "stop_limit",
                "stop_price": "0.0101",
                "limit_price": "0.02",
                "time_in_force": "gtc",
            },
        ),
        (
            {"kind": OrderKind.TRAILING_STOP, "trail_price": Price(Decimal("1.5"))},
            {"type": "trailing_stop", "trail_price": "1.5"},
        ),
        (
            {"kind": OrderKind.TRAILING_STOP, "trail_fraction": Decimal("0.015")},
            {"type": "trailing_stop", "trail_percent": "1.5"},
        ),
    ],
)
def test_an_order_becomes_their_request_in_decimal_strings(
    changes: dict[str, Any], expected: dict[str, str]
) -> None:
    plain = {
        "symbol": "AAPL",
        "qty": "100",
        "side": "buy",
        "time_in_force": "day",
        "client_order_id": "our-id",
    }
    assert order_request(an_order(**changes), "AAPL") == {**plain, **expected}


@pytest.mark.parametrize(
    ("value", "text"), [("100", "100"), ("1E+3", "1000"), ("0.10", "0.1"), ("0.00", "0")]
)
def test_numbers_are_written_plainly(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("accepted", Accepted),
        ("pending_new", Accepted),
        ("canceled", Canceled),
        ("expired", Expired),
        ("rejected", Rejected),
        ("order_cancel_rejected", CancelRefused),
    ],
)
def test_an_event_becomes_ours(event: str, kind: type) -> None:
    update = trade_update(an_update(event), Symbols())
    assert isinstance(update, kind)
    assert isinstance(update, Accepted | Canceled | Expired | Rejected | CancelRefused)
    assert (update.order, update.venue_id) == ("our-id", "venue-id")
    assert update.at == datetime(2026, 1, 5, 14, 30, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("event", "status"),
    [
        ("new", OrderStatus.NEW),
        ("done_for_day", OrderStatus.DONE_FOR_DAY),
        ("stopped", OrderStatus.STOPPED),
        ("pending_cancel", OrderStatus.PENDING_CANCEL),
        ("pending_replace", OrderStatus.PENDING_REPLACE),
        ("calculated", OrderStatus.CALCULATED),
        ("suspended", OrderStatus.SUSPENDED),
        ("held", OrderStatus.HELD),
        ("accepted_for_bidding", OrderStatus.ACCEPTED_FOR_BIDDING),
    ],
)
def test_a_working_event_is_reported(event: str, status: OrderStatus) -> None:
    update = trade_update(an_update(event), Symbols())
    assert isinstance(update, Reported)
    assert update.status is status


def test_a_refused_replacement_leaves_the_old_order_working() -> None:
    update = trade_update(an_update("order_replace_rejected"), Symbols())
    assert isinstance(update, CancelRefused)
    assert (update.order, update.reason) == ("our-id", "not replaced: refused by the venue")


def test_a_refused_successor_is_rejected() -> None:
    order = their_order(replaces="old-id", reject_reason="old order has filled")
    update = trade_update(an_update("order_replace_rejected", order), Symbols())
    assert isinstance(update, Rejected)
    assert (update.order, update.reason) == ("our-id", "not replaced: old order has filled")


def test_a_replacement_changes_only_what_may_change() -> None:
    limit = an_order(kind=OrderKind.LIMIT, limit=Price(Decimal("190.10")))
    assert replace_request(limit) == {
        "qty": "100",
        "time_in_force": "day",
        "client_order_id": "our-id",
        "limit_price": "190.1",
    }
    trailing = an_order(kind=OrderKind.TRAILING_STOP, trail_fraction=Decimal("0.02"))
    assert replace_request(trailing)["trail"] == "2"


def test_every_field_of_their_orders_is_known() -> None:
    if not DOCUMENT.exists():
        pytest.skip("allowed: the vendor's OpenAPI document is not beside the repository")
    document = json.loads(DOCUMENT.read_text())
    assert set(document["components"]["schemas"]["Order"]["properties"]) <= ORDER_FIELDS


def test_a_replacement_names_its_successor() -> None:
    update = trade_update(an_update("replaced", their_order(replaced_by="next-id")), Symbols())
    assert isinstance(update, Replaced)
    assert update.successor == "next-id"


def test_a_fill_has_their_execution_id_and_cumulative_and_our_fee() -> None:
    asked: list[tuple[Any, ...]] = []

    def fee(*facts: Any) -> Money:
        asked.append(facts)
        return Money(Decimal("0.35"))

    order = their_order(filled_qty="70", status="partially_filled", symbol="BRK.B")
    symbols = Symbols.of([Instrument(InstrumentId("berkshire-b"), "BRK.B")])
    message = an_update("partial_fill", order, execution_id="e-1", qty="30", price="190.25")
    update = trade_update(message, symbols, fee)
    assert isinstance(update, Filled)
    fill = update.fill
    assert (fill.id, fill.instrument, fill.side) == ("e-1", "berkshire-b", Side.BUY)
    assert (fill.quantity, fill.price) == (Decimal(30), Decimal("190.25"))
    assert fill.fee == Money(Decimal("0.35"))
    assert update.cumulative == Decimal(70)
    told = ("our-id", Decimal(40), Decimal(30), Decimal("190.25"), Side.BUY, fill.at)
    assert asked == [told]


def test_a_fill_without_execution_id_gets_one_from_its_facts() -> None:
    message = an_update("fill", their_order(filled_qty="100"), qty="100", price="190")
    first, second = (trade_update(message, Symbols()) for _ in range(2))
    assert isinstance(first, Filled)
    assert isinstance(second, Filled)
    assert first.fill.id == second.fill.id
    assert first.fill.id.startswith("inferred-")


def test_an_execution_that_is_taken_back_or_changed_names_the_one_that_counted() -> None:
    bust = trade_update(
        an_update("trade_bust", execution_id="e-2", previous_execution_id="e-1"), Symbols()
    )
    assert isinstance(bust, FillReversed)
    assert (bust.order, bust.fill, bust.instead) == ("our-id", "e-1", None)
    assert bust.reason == "trade_bust of e-1"
    alone = trade_update(an_update("trade_bust", execution_id="e-1"), Symbols())
    assert isinstance(alone, FillReversed)
    assert alone.fill == "e-1"
    facts: Any = {"execution_id": "e-2", "previous_execution_id": "e-1", "qty": "9", "price": "1.5"}
    changed = trade_update(an_update("trade_correct", **facts), Symbols())
    assert isinstance(changed, FillReversed)
    assert (changed.fill, changed.instead) == ("e-1", "e-2")
    assert (changed.quantity, changed.price) == (Decimal(9), Decimal("1.5"))


def test_an_order_that_may_only_reduce_says_that_it_closes() -> None:
    said = [
        order_request(an_order(side=side, reduce_only=only), "AAPL").get("position_intent")
        for side in Side
        for only in (True, False)
    ]
    assert said == ["buy_to_close", None, "sell_to_close", None]


@pytest.mark.parametrize(
    "message",
    [
        an_update("trade_bust"),
        an_update("trade_correct", execution_id="e-2", qty="9", price="1.5"),
        an_update("trade_correct", previous_execution_id="e-1", qty="9", price="1.5"),
        an_update("restated"),
        an_update("something_new"),
        an_update("replaced"),
        an_update("fill"),
        an_update("fill", qty="many", price="1"),
        an_update("fill", their_order(filled_qty="10"), qty="10", price="NaN"),
        an_update("fill", their_order(filled_qty="10", side="lend"), qty="10", price="1"),
        {"event": "fill"},
        {"event": None, "order": their_order()},
        {"event": "new", "order": []},
        {"event": "new", "order": {**their_order(), **NO_TIMES}, "timestamp": "?"},
        an_update("fill", their_order(filled_qty=["10"]), qty={}, price="1"),
        {},
    ],
)
def test_what_cannot_be_understood_is_parked_whole(message: dict[str, Any]) -> None:
    parked = trade_update(message, Symbols())
    assert isinstance(parked, Parked)
    assert parked.message == message
    assert parked.reason


def test_an_activity_is_a_fill_and_its_cumulative() -> None:
    row = {
        "activity_type": "FILL",
        "id": "20260105093000123::e-1",
        "order_id": "venue-id",
        "symbol": "AAPL",
        "side": "sell_short",
        "qty": "30",
        "price": "190.25",
        "cum_qty": "70",
        "transaction_time": "2026-01-05T14:30:00.123Z",
    }
    fill, cumulative = execution(row, OrderId("our-id"), Symbols())
    assert (fill.id, fill.order, fill.side) == ("e-1", "our-id", Side.SELL)
    assert (fill.quantity, fill.price) == (Decimal(30), Decimal("190.25"))
    assert cumulative == Decimal(70)


def test_positions_are_signed_by_side_whatever_the_sign_of_qty() -> None:
    account = {"cash": "1000.5", "equity": "2000", "buying_power": 4000, "trading_blocked": False}
    positions = [
        {"symbol": "AAPL", "qty": "10", "side": "long"},
        {"symbol": "IBM", "qty": "-5", "side": "short"},
        {"symbol": "SPY", "qty": "5", "side": "short"},
    ]
    book = venue_account(account, positions, Symbols())
    assert (book.cash, book.buying_power) == (Decimal("1000.5"), Decimal(4000))
    assert book.positions == {"AAPL": 10, "IBM": -5, "SPY": -5}
    assert not book.trading_blocked


@pytest.mark.parametrize("flag", ["trading_blocked", "account_blocked", "trade_suspended_by_user"])
@pytest.mark.parametrize("value", [True, "true", 1, {}])
def test_any_block_of_theirs_blocks_trading_however_it_is_written(flag: str, value: object) -> None:
    account = {"cash": "0", "equity": "0", "buying_power": "0", "status": "ACTIVE"}
    assert venue_account({**account, flag: value}, [], Symbols()).trading_blocked
    assert not venue_account({**account, flag: False}, [], Symbols()).trading_blocked


def test_an_account_that_is_not_active_is_blocked() -> None:
    account = {"cash": "0", "equity": "0", "buying_power": "0", "status": "ACCOUNT_UPDATED"}
    assert venue_account(account, [], Symbols()).trading_blocked


@pytest.mark.parametrize(
    "position",
    [7, {"symbol": "AAPL"}, {"symbol": "AAPL", "qty": "many", "side": "long"}, {"qty": "1"}],
)
def test_a_position_that_cannot_be_read_is_not_left_out(position: object) -> None:
    account = {"cash": "0", "equity": "0", "buying_power": "0"}
    with pytest.raises(InvalidInput):
        venue_account(account, [position], Symbols())
