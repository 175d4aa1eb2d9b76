"""Order requests against the vendor's rules, each with its status, code and message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.builders import opened
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.orders import OrderKind, Side, TimeInForce
from tradewright.exchange.trading import read_request
from tradewright.exchange.words import Refused

INSTRUMENTS = {
    "AAA": Instrument(InstrumentId("AAA"), "AAA"),
    "HALT": Instrument(InstrumentId("HALT"), "HALT", tradable=False),
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
        ({"qty": None, "notional": "5"}, 40010001, "notional is not supported by this exchange"),
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
        (
            {"order_class": "bracket", "take_profit": {"limit_price": "9"}},
            40010001,
            "order_class bracket is not supported",
        ),
        ({"take_profit": {"limit_price": "9"}}, 40010001, "take_profit is not supported"),
        ({"stop_loss": {"stop_price": "9"}}, 40010001, "stop_loss is not supported"),
        ({"legs": []}, 40010001, "legs is not supported"),
        ({"extended_hours": True}, 42210000, "extended_hours is not supported"),
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
