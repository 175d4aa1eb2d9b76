"""What is written once: an order's text is the vendor's body, whatever became of the order."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.unit.exchange.asking import submit, take
from tests.unit.exchange.builders import an_exchange, opened
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.written import Written, as_json

FIELDS: Final = [
    "id",
    "client_order_id",
    "created_at",
    "updated_at",
    "submitted_at",
    "filled_at",
    "expired_at",
    "canceled_at",
    "failed_at",
    "replaced_at",
    "replaced_by",
    "replaces",
    "asset_id",
    "symbol",
    "asset_class",
    "notional",
    "qty",
    "filled_qty",
    "filled_avg_price",
    "order_class",
    "order_type",
    "type",
    "side",
    "position_intent",
    "time_in_force",
    "limit_price",
    "stop_price",
    "status",
    "extended_hours",
    "legs",
    "trail_percent",
    "trail_price",
    "hwm",
    "subtag",
    "source",
]
BRACKET: Final = {
    "order_class": "bracket",
    "take_profit": {"limit_price": "150"},
    "stop_loss": {"stop_price": "50"},
}


def plainly(text: str) -> str:
    return json.dumps(json.loads(text), separators=(",", ":"))


def trading() -> Exchange:
    exchange = an_exchange()
    exchange.advance(opened(1))
    return exchange


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"client_order_id": 'a "quoted" \\ é'},
        {"type": "limit", "limit_price": "100.50", "time_in_force": "gtc"},
        {"type": "trailing_stop", "trail_percent": "2.5"},
        {"type": "limit", "limit_price": "99", "extended_hours": True},
        BRACKET,
    ],
)
def test_an_order_has_the_fields_of_the_vendor_in_one_order(changes: dict[str, Any]) -> None:
    exchange = trading()
    order = exchange.orders.ticket(submit(exchange, **changes))
    for body in (order.body(), order.nested()):
        assert body.text == plainly(body.text)
        assert list(body)[: len(FIELDS)] == FIELDS
        assert list(body)[len(FIELDS) :] == ["expires_at"]
    named = changes.get("client_order_id", order.client_id)
    assert order.body()["client_order_id"] == named
    assert order.body()["legs"] is None
    legs = order.nested()["legs"]
    assert (legs is None) == (not order.legs)
    if isinstance(legs, list):
        assert legs == [dict(leg.body()) for leg in order.legs]


def test_what_happens_to_an_order_is_in_its_text() -> None:
    exchange = trading()
    order = submit(exchange, type="limit", limit_price="1.00")
    ticket = exchange.orders.ticket(order)
    assert (ticket.body()["status"], ticket.body()["canceled_at"]) == ("new", None)
    exchange.perform("cancel", {"order": order})
    body = ticket.body()
    assert (body["status"], body["canceled_at"]) == ("canceled", body["updated_at"])
    assert body.text == plainly(body.text)


def test_an_answer_stays_what_it_was() -> None:
    exchange = trading()
    answer = take(exchange, type="limit", limit_price="1.00")
    before = as_json(answer)
    exchange.perform("cancel", {"order": answer["id"]})
    assert (answer["status"], as_json(answer)) == ("pending_new", before)


def test_a_listener_is_told_what_the_log_keeps() -> None:
    exchange = trading()
    with exchange.hub.listen("trade_updates") as updates:
        submit(exchange)
        told: list[Any] = [updates.get_nowait()["data"] for _ in range(updates.qsize())]
    kept = [row for row in exchange.events.read(0, 100) if isinstance(row, dict)]
    assert told == [row["data"] for row in kept if row["kind"] == "trade_update"]
    assert [update["event"] for update in told] == ["pending_new", "new"]
    for update in told:
        assert update.text == plainly(update.text)
        order = update["order"]
        assert list(order)[-1] == "cancel_requested_at"


def test_what_is_written_is_read_like_any_object() -> None:
    written = Written('{"a":1,"b":[null,"c"]}')
    assert written == {"a": 1, "b": [None, "c"]}
    assert (len(written), list(written), written.get("z")) == (2, ["a", "b"], None)
    assert as_json([written, written]) == f"[{written.text},{written.text}]"
    assert as_json({"x": [written]}) == f'{{"x":[{written.text}]}}'
    assert as_json([]) == "[]"
    with pytest.raises(TypeError, match="object cannot be written as JSON"):
        as_json({"x": object()})
