"""Assets: what is listed, under which names, and what it must be covered with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.exchange.builders import a_market, an_exchange, closed, opened
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Delisting
from tradewright.data.history import MarketData
from tradewright.exchange.account.assets import asset, assets
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.words import Refused

AAA = InstrumentId("AAA")


def symbols(served: Exchange, **query: str) -> list[object]:
    return [row["symbol"] for row in assets(served, query)]


def with_instrument(**changes: Any) -> MarketData:
    data = a_market()
    changed = replace(data.instruments[AAA], **changes)
    return replace(data, instruments={**data.instruments, AAA: changed})


def test_an_asset_has_every_field_of_the_vendor() -> None:
    body = asset(an_exchange(with_instrument(lot=Decimal("1e-9"))), "AAA")
    assert {name: body[name] for name in body if name != "id"} == {
        "class": "us_equity",
        "exchange": "NYSE",
        "symbol": "AAA",
        "name": "AAA",
        "status": "active",
        "tradable": True,
        "marginable": True,
        "shortable": True,
        "easy_to_borrow": True,
        "borrow_status": "easy_to_borrow",
        "fractionable": True,
        "maintenance_margin_requirement": 30.0,
        "margin_requirement_long": "30",
        "margin_requirement_short": "30",
        "attributes": ["fractional_eh_enabled"],
    }


@pytest.mark.parametrize(("lot", "fractionable"), [("1e-9", True), ("1", False), ("100", False)])
def test_what_is_listed_as_fractionable_is_what_orders_take(lot: str, fractionable: bool) -> None:
    exchange = an_exchange(with_instrument(lot=Decimal(lot)))
    assert asset(exchange, "AAA")["fractionable"] is fractionable
    order = {"symbol": "AAA", "qty": "0.5", "side": "buy", "type": "market"}
    given = {"body": {**order, "time_in_force": "day"}}
    if fractionable:
        exchange.perform("submit", given)
    else:
        with pytest.raises(Refused, match='"AAA" is not fractionable'):
            exchange.perform("submit", given)


def test_requirements_follow_the_price() -> None:
    cheap = an_exchange(a_market({"AAA": [(2.0, 2.0, 2.0, 2.0, 1e6)] * 5}))
    body = asset(cheap, "AAA")
    fields = ("margin_requirement_long", "margin_requirement_short", "marginable")
    assert [body[field] for field in fields] == ["100", "125", False]
    assert asset(an_exchange(), "BBB")["margin_requirement_short"] == "50"


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["AAA", "BBB"]),
        ({"status": "active"}, ["AAA", "BBB"]),
        ({"status": "inactive"}, []),
        ({"asset_class": "us_equity"}, ["AAA", "BBB"]),
        ({"asset_class": "crypto"}, []),
        ({"exchange": "NASDAQ"}, ["AAA"]),
        ({"exchange": "NYSE"}, ["BBB"]),
        ({"attributes": "fractional_eh_enabled,ipo"}, ["AAA"]),
        ({"attributes": "has_options"}, []),
    ],
)
def test_assets_by_what_is_asked(query: dict[str, str], found: list[str]) -> None:
    data = with_instrument(venue="XNAS", lot=Decimal("1e-9"))
    assert symbols(an_exchange(data), **query) == found


@pytest.mark.parametrize("field", ["status", "asset_class", "exchange"])
def test_a_word_that_is_not_known_is_refused(field: str) -> None:
    with pytest.raises(Refused, match=f"invalid {field}: gold") as refused:
        symbols(an_exchange(), **{field: "gold"})
    assert refused.value.status == 422


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("easy_to_borrow", (True, True, "easy_to_borrow")),
        ("hard_to_borrow", (True, False, "hard_to_borrow")),
        ("not_shortable", (False, False, "hard_to_borrow")),
    ],
)
def test_the_borrow_status_is_shown(status: str, expected: tuple[object, ...]) -> None:
    exchange = an_exchange()
    exchange.perform("borrow", {"symbol": "AAA", "status": status})
    body = asset(exchange, "AAA")
    assert (body["shortable"], body["easy_to_borrow"], body["borrow_status"]) == expected


def test_an_id_outlives_its_symbol() -> None:
    exchange = an_exchange()
    before = asset(exchange, "AAA")
    exchange.perform("rename", {"symbol": "AAA", "to": "AAAX"})
    after = asset(exchange, str(before["id"]))
    assert (after["id"], after["symbol"]) == (before["id"], "AAAX")
    assert symbols(exchange) == ["AAAX", "BBB"]
    with pytest.raises(Refused, match="asset not found for AAA"):
        asset(exchange, "AAA")


def test_a_delisted_asset_is_inactive_and_not_listed() -> None:
    delisting = Delisting(AAA, date(2024, 1, 4))
    exchange = an_exchange(a_market(actions=(delisting,)))
    exchange.advance(opened(2))
    assert symbols(exchange) == ["AAA", "BBB"]
    exchange.advance(closed(2))
    assert symbols(exchange) == symbols(exchange, status="active") == ["BBB"]
    assert symbols(exchange, status="inactive") == []
    body = asset(exchange, "AAA")
    assert (body["status"], body["tradable"]) == ("inactive", False)


def test_what_is_not_listed_yet_is_not_there_to_be_traded() -> None:
    exchange = an_exchange(with_instrument(listed=date(2024, 1, 4)))
    assert symbols(exchange) == ["BBB"]
    exchange.advance(opened(2))
    assert symbols(exchange) == ["AAA", "BBB"]
