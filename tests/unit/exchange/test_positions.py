"""Positions: what they are worth, what they gained today, and what of them is free."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import pytest

from tests.unit.exchange.builders import an_exchange, closed, opened
from tradewright.exchange.account.positions import position, positions
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused

MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


def shown(body: Mapping[str, object], expected: Mapping[str, object]) -> None:
    assert {name: body[name] for name in expected} == expected


@pytest.fixture
def exchange() -> Exchange:
    """Ten shares bought yesterday at 101 and ten today at 104; the close before is 104, now 99."""
    made = an_exchange(leverage=Decimal(2))
    for day in (1, 2):
        made.orders.submit(MARKET)
        made.advance(closed(day))
    return made


def test_a_long_position(exchange: Exchange) -> None:
    expected = {
        "symbol": "AAA",
        "exchange": "NYSE",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": "20",
        "qty_available": "20",
        "avg_entry_price": "102.5",
        "side": "long",
        "market_value": "1980",
        "cost_basis": "2050",
        "unrealized_pl": "-70",
        "unrealized_plpc": "-0.0341463415",
        # Today's shares count from their entry, the others from the close before.
        "unrealized_intraday_pl": "-100",
        "unrealized_intraday_plpc": "-0.0480769231",
        "current_price": "99",
        "lastday_price": "104",
        "change_today": "-0.0480769231",
    }
    body = position(exchange, "AAA")
    shown(body, expected)
    assert body.keys() == expected.keys() | {"asset_id"}


def test_a_short_position_is_negative_and_gains_as_it_falls() -> None:
    exchange = an_exchange(leverage=Decimal(2))
    exchange.orders.submit({**MARKET, "side": "sell"})
    exchange.advance(closed(2))
    expected = {
        "qty": "-10",
        "qty_available": "-10",
        "side": "short",
        "market_value": "-990",
        "cost_basis": "-1010",
        "unrealized_pl": "20",
        "unrealized_intraday_pl": "50",
        "change_today": "-0.0480769231",
    }
    shown(position(exchange, "AAA"), expected)


def test_the_opening_print_is_not_the_close_before() -> None:
    exchange = an_exchange()
    exchange.orders.submit({**MARKET, "time_in_force": "gtc"})
    exchange.advance(opened(1))
    # 100 was the last close; the market opened at 101.
    assert position(exchange, "AAA")["lastday_price"] == "100"


def test_what_open_orders_keep_is_not_available(exchange: Exchange) -> None:
    for quantity in ("5", "3"):
        sell = {"side": "sell", "qty": quantity, "type": "limit", "limit_price": "300"}
        exchange.orders.submit({**MARKET, **sell})
    assert position(exchange, "AAA")["qty_available"] == "12"


def test_positions_by_symbol_and_by_id_and_none_that_is_flat(exchange: Exchange) -> None:
    (held,) = positions(exchange)
    assert position(exchange, str(held["asset_id"])) == position(exchange, "AAA") == held
    for name in ("BBB", "ZZZ"):
        with pytest.raises(Refused, match="position does not exist") as refused:
            position(exchange, name)
        assert (refused.value.status, refused.value.code) == (404, 40410000)
    exchange.orders.submit({**MARKET, "side": "sell", "qty": "20"})
    exchange.advance(opened(3))
    assert positions(exchange) == []


def test_a_renamed_position_keeps_its_id(exchange: Exchange) -> None:
    before = position(exchange, "AAA")
    exchange.perform("rename", {"symbol": "AAA", "to": "AAAX"})
    assert position(exchange, "AAAX") == {**before, "symbol": "AAAX"}
