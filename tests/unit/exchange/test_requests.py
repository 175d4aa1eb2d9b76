"""Order requests against the vendor's rules, each with its status, code and message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.builders import opened
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.exchange.trading.requests import read_request
from tradewright.exchange.words import Refused

INSTRUMENTS = {
    "AAA": Instrument(InstrumentId("AAA"), "AAA"),
    "HALT": Instrument(InstrumentId("HALT"), "HALT", tradable=False),
    "PART": Instrument(InstrumentId("PART"), "PART", lot=Decimal("1e-9")),
}
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
SUB_PENNY = "sub-penny increment does not fulfill minimum pricing criteria"
TRAILS = "trailing stop orders must specify one of trail_price or trail_percent"
AUCTION = "orders must be market or limit orders"


def a_body(**changes: Any) -> dict[str, Any]:
    return {k: v for k, v in {**MARKET, **changes}.items() if v is not None}


@pytest.mark.parametrize(
    ("changes", "code", "message"),
    [
        ({"qty": None}, 40010001, "qty or notional is required"),
        ({"qty": "0"}, 40010001, "qty must be > 0"),
        ({"qty": "-1"}, 40010001, "qty must be > 0"),
        ({"qty": "ten"}, 40010001, "invalid qty: ten is not a number"),
        ({"qty": True}, 40010001, "invalid qty: True is not a number"),
        ({"notional": "5"}, 40010001, "only one of qty or notional is accepted"),
        ({"qty": "1e13"}, 40010001, "invalid qty: 1e13 is out of range"),
        ({"qty": "1e-99"}, 40010001, "invalid qty: 1e-99 is out of range"),
        ({"qty": [1]}, 40010001, "invalid qty: [1] is not a number"),
        (
            {"symbol": "PART", "qty": None, "notional": "5.001"},
            40010001,
            "notional value must be limited to 2 decimal places",
        ),
        (
            {"symbol": "PART", "qty": None, "notional": "5", "type": "stop", "stop_price": "9"},
            42210000,
            "notional orders must be market or limit orders",
        ),
        (
            {"symbol": "PART", "qty": None, "notional": "5", "time_in_force": "gtc"},
            42210000,
            "fractional orders must be DAY orders",
        ),
        (
            {"symbol": "PART", "qty": "0.5", "time_in_force": "ioc"},
            42210000,
            "fractional orders must be DAY orders",
        ),
        (
            {"symbol": "PART", "qty": "0.5", "type": "trailing_stop", "trail_price": "1"},
            42210000,
            "fractional orders cannot be trailing stop orders",
        ),
        (
            {"symbol": "PART", "qty": Decimal("0.30000000000000004")},
            40010001,
            "qty must be limited to 9 decimal places",
        ),
        ({"type": "limit"}, 40010001, "limit orders require a limit price"),
        ({"type": "stop"}, 40010001, "stop orders require a stop price"),
        (
            {"type": "stop_limit", "stop_price": "9"},
            40010001,
            "stop limit orders require both stop and limit price",
        ),
        ({"limit_price": "9"}, 40010001, "market orders require no stop or limit price"),
        ({"stop_price": "9"}, 40010001, "market orders require no stop or limit price"),
        (
            {"type": "stop", "stop_price": "9", "limit_price": "9"},
            40010001,
            "stop orders require no limit price",
        ),
        (
            {"type": "limit", "stop_price": "9", "limit_price": "9"},
            40010001,
            "limit orders require no stop price",
        ),
        ({"type": "trailing_stop"}, 40010001, TRAILS),
        (
            {"type": "trailing_stop", "trail_price": "1", "trail_percent": "1"},
            40010001,
            TRAILS,
        ),
        ({"trail_price": "1"}, 40010001, "market orders take no trail_price or trail_percent"),
        (
            {"type": "trailing_stop", "trail_percent": "0.05"},
            40010001,
            "trail_percent must be greater than or equal to 0.1",
        ),
        (
            {"type": "limit", "limit_price": "290.123"},
            42210000,
            f"invalid limit_price 290.123. {SUB_PENNY}",
        ),
        (
            {"type": "limit", "limit_price": Decimal("190.29999999999998")},
            42210000,
            f"invalid limit_price 190.29999999999998. {SUB_PENNY}",
        ),
        (
            {"type": "limit", "limit_price": "0.12345"},
            42210000,
            f"invalid limit_price 0.12345. {SUB_PENNY}",
        ),
        ({"type": "limit", "limit_price": "0"}, 40010001, "limit_price must be > 0"),
        ({"type": "limit", "limit_price": "NaN"}, 40010001, "invalid limit_price: NaN"),
        ({"symbol": "ZZZ"}, 42210000, 'asset "ZZZ" not found'),
        ({"symbol": None}, 40010001, "symbol is required"),
        ({"symbol": "HALT"}, 42210000, 'asset "HALT" is not tradable'),
        ({"side": None}, 40010001, "side is required"),
        ({"side": "hold"}, 40010001, "invalid side: hold"),
        ({"type": "iceberg"}, 40010001, "invalid type: iceberg"),
        ({"time_in_force": None}, 40010001, "time_in_force is required"),
        ({"time_in_force": "gtd"}, 40010001, "invalid time_in_force: gtd"),
        (
            {"type": "stop", "stop_price": "9", "time_in_force": "ioc"},
            42210000,
            f"ioc {AUCTION}",
        ),
        (
            {"type": "trailing_stop", "trail_price": "1", "time_in_force": "opg"},
            42210000,
            f"opg {AUCTION}",
        ),
        (
            {"client_order_id": "x" * 129},
            40010001,
            "client_order_id must be no more than 128 characters",
        ),
        ({"client_order_id": 7}, 40010001, "client_order_id must be a string"),
        ({"client_order_id": "a\u0000"}, 40010001, "client_order_id must be printable"),
        ({"client_order_id": "\ud800"}, 40010001, "client_order_id must be printable"),
        (
            {"take_profit": {"limit_price": "9"}},
            40010001,
            "simple orders take no take_profit or stop_loss",
        ),
        ({"order_class": ["bracket"]}, 40010001, "invalid order_class: ['bracket']"),
        ({"legs": []}, 40010001, "legs is not supported"),
        ({"advanced_instructions": {}}, 40010001, "advanced_instructions is not supported"),
        (
            {"extended_hours": True},
            42210000,
            "extended hours order must be DAY or GTC limit orders",
        ),
        (
            {
                "extended_hours": True,
                "type": "limit",
                "limit_price": "9",
                "time_in_force": "ioc",
            },
            42210000,
            "extended hours order must be DAY or GTC limit orders",
        ),
        ({"extended_hours": "yes"}, 40010001, "invalid extended_hours: yes"),
        ({"colour": "red"}, 40010001, "colour is not supported"),
        ({"position_intent": "sell_to_open"}, 40010001, "does not go with side buy"),
    ],
)
def test_a_broken_rule_is_refused_in_their_words(
    changes: dict[str, Any], code: int, message: str
) -> None:
    with pytest.raises(Refused) as refused:
        read_request(a_body(**changes), INSTRUMENTS)
    assert (refused.value.status, refused.value.code) == (422, code)
    assert refused.value.message.startswith(message) or message in refused.value.message
    assert refused.value.body == {"code": code, "message": refused.value.message}


def test_a_fraction_of_a_share_is_forbidden() -> None:
    with pytest.raises(Refused, match='asset "AAA" is not fractionable') as refused:
        read_request(a_body(qty=Decimal("0.30000000000000004")), INSTRUMENTS)
    assert (refused.value.status, refused.value.code) == (403, 40310000)


def test_less_than_a_dollar_is_forbidden() -> None:
    with pytest.raises(Refused, match=r"notional must be >= 1\.00") as refused:
        read_request(a_body(symbol="PART", qty=None, notional="0.99"), INSTRUMENTS)
    assert (refused.value.status, refused.value.code) == (403, 40310000)


@pytest.mark.parametrize("kind", [kind.value for kind in OrderKind])
@pytest.mark.parametrize("force", [force.value for force in TimeInForce])
def test_auctions_and_orders_at_once_are_market_or_limit(kind: str, force: str) -> None:
    prices = {
        "limit": {"limit_price": "9"},
        "stop": {"stop_price": "9"},
        "stop_limit": {"limit_price": "9", "stop_price": "9"},
        "trailing_stop": {"trail_percent": "1"},
    }
    body = a_body(type=kind, time_in_force=force, **prices.get(kind, {}))
    if kind in {"market", "limit"} or force in {"day", "gtc"}:
        request = read_request(body, INSTRUMENTS)
        assert (request.kind.value, request.time_in_force.value) == (kind, force)
        return
    with pytest.raises(Refused, match=f"{force} orders must be market or limit orders"):
        read_request(body, INSTRUMENTS)


def test_a_value_buys_parts_of_shares_rounded_down() -> None:
    request = read_request(a_body(symbol="PART", qty=None, notional="100"), INSTRUMENTS)
    assert (request.quantity, request.is_fractional) == (Decimal(0), True)
    assert request.sized(Decimal(30)).quantity == Decimal("3.333333333")


@pytest.mark.parametrize(
    ("changes", "kind", "facts"),
    [
        ({}, OrderKind.MARKET, {}),
        ({"type": "limit", "limit_price": 9}, OrderKind.LIMIT, {"limit": Decimal(9)}),
        (
            {"type": "limit", "limit_price": "0.1234"},
            OrderKind.LIMIT,
            {"limit": Decimal("0.1234")},
        ),
        ({"type": "stop", "stop_price": "9.01"}, OrderKind.STOP, {"stop": Decimal("9.01")}),
        (
            {"type": "stop_limit", "stop_price": "9", "limit_price": "9.5"},
            OrderKind.STOP_LIMIT,
            {"stop": Decimal(9), "limit": Decimal("9.5")},
        ),
        (
            {"type": "trailing_stop", "trail_price": "1.5"},
            OrderKind.TRAILING_STOP,
            {"trail_price": Decimal("1.5")},
        ),
        (
            {"type": "trailing_stop", "trail_percent": "1.5", "time_in_force": "gtc"},
            OrderKind.TRAILING_STOP,
            {"trail_fraction": Decimal("0.015"), "time_in_force": TimeInForce.GTC},
        ),
        ({"time_in_force": "opg"}, OrderKind.MARKET, {"time_in_force": TimeInForce.OPG}),
        (
            {"order_class": "simple", "extended_hours": False, "side": "sell"},
            OrderKind.MARKET,
            {"side": Side.SELL},
        ),
    ],
)
def test_a_request_that_keeps_the_rules_is_the_order_it_asks_for(
    changes: dict[str, Any], kind: OrderKind, facts: dict[str, Any]
) -> None:
    order = read_request(a_body(**changes), INSTRUMENTS).order("venue-id", opened(1))
    assert (order.id, order.instrument, order.quantity) == ("venue-id", "AAA", Decimal(10))
    assert order.kind is kind
    for field, value in facts.items():
        assert getattr(order, field) == value
