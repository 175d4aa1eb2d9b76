"""The account's paths over HTTP: every answer by the vendor's schema, and what cannot be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal
from fractions import Fraction

import httpx
import pytest

from tests.services.schema import check_schema
from tests.unit.exchange.builders import (
    KEY,
    SECRET,
    TRADED,
    a_market,
    an_exchange,
    closed,
    opened,
    served,
)
from tradewright.core.ids import InstrumentId
from tradewright.core.market import CashDividend, Split
from tradewright.exchange.app import create_app
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.market.market import ReplayMarket
from tradewright.execution.venue import VenueModel
from tradewright.portfolio.costs import BasisPoints, PerShare, TradingCosts

KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
CHARGED = VenueModel(TradingCosts(PerShare(), BasisPoints(Decimal(0))))
ACTIONS = (
    CashDividend(InstrumentId("AAA"), date(2024, 1, 4), Decimal("0.50")),
    Split(InstrumentId("BBB"), date(2024, 1, 4), Fraction(2)),
)
BOTH_WAYS = ({"symbol": "AAA"}, {"symbol": "BBB", "side": "sell"})


@pytest.fixture
def exchange() -> Exchange:
    """Ten shares long of one asset and short of the other, with two days of their actions."""
    made = an_exchange(a_market(actions=ACTIONS), model=CHARGED, leverage=Decimal(2))
    for change in BOTH_WAYS:
        made.orders.submit({**MARKET, **change})
    made.advance(closed(2))
    return made


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(exchange, key=KEY, secret=SECRET)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exchange", headers=KEYS
    ) as opened_client:
        yield opened_client


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ("/v2/account", "/v2/account"),
        ("/v2/account/configurations", "/v2/account/configurations"),
        ("/v2/account/activities", "/v2/account/activities"),
        ("/v2/account/activities", "/v2/account/activities?category=non_trade_activity"),
        ("/v2/account/activities/{activity_type}", "/v2/account/activities/FILL"),
        ("/v2/account/activities/{activity_type}", "/v2/account/activities/DIV"),
        ("/v2/account/activities/{activity_type}", "/v2/account/activities/SPLIT"),
        ("/v2/account/activities/{activity_type}", "/v2/account/activities/FEE"),
        ("/v2/account/activities/{activity_type}", "/v2/account/activities/CSD"),
        ("/v2/account/portfolio/history", "/v2/account/portfolio/history"),
        (
            "/v2/account/portfolio/history",
            "/v2/account/portfolio/history?period=2D&timeframe=15Min&cashflow_types=ALL",
        ),
        ("/v2/assets", "/v2/assets"),
        ("/v2/assets", "/v2/assets?status=active&asset_class=us_equity&exchange=NYSE"),
        ("/v2/assets/{symbol_or_asset_id}", "/v2/assets/AAA"),
        ("/v2/positions", "/v2/positions"),
        ("/v2/positions/{symbol_or_asset_id}", "/v2/positions/BBB"),
        ("/v2/clock", "/v2/clock"),
        ("/v2/calendar", "/v2/calendar?date_type=SETTLEMENT"),
        ("/v3/clock", "/v3/clock"),
        ("/v3/clock", "/v3/clock?markets=NYSE,XNAS&time=2024-01-05T12:00:00Z"),
        ("/v3/calendar/{market}", "/v3/calendar/NYSE"),
    ],
)
async def test_every_answer_keeps_to_the_schema_of_the_vendor(
    client: httpx.AsyncClient, schema: str, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    check_schema(schema, answer)


async def test_positions_are_found_by_symbol_and_by_asset_id(client: httpx.AsyncClient) -> None:
    long, short = (await client.get("/v2/positions")).json()
    assert (long["symbol"], long["qty"], long["qty_available"]) == ("AAA", "10", "10")
    assert (short["symbol"], short["qty"], short["side"]) == ("BBB", "-20", "short")
    assert (await client.get(f"/v2/positions/{short['asset_id']}")).json() == short
    assert short["asset_id"] == (await client.get("/v2/assets/BBB")).json()["id"]


async def test_what_an_open_order_keeps_is_not_available(client: httpx.AsyncClient) -> None:
    sell = {**MARKET, "side": "sell", "qty": "4", "type": "limit", "limit_price": "300"}
    assert (await client.post("/v2/orders", json=sell)).status_code == 200
    assert (await client.get("/v2/positions/AAA")).json()["qty_available"] == "6"


async def test_configurations_are_set_and_obeyed(client: httpx.AsyncClient) -> None:
    path = "/v2/account/configurations"
    answer = await client.patch(path, json={"suspend_trade": True, "no_shorting": None})
    assert answer.status_code == 200
    check_schema(path, answer, "patch")
    assert answer.json()["suspend_trade"] is True
    refused = await client.post("/v2/orders", json=MARKET)
    assert (refused.status_code, refused.json()) == (
        403,
        {"code": 40310000, "message": "new orders are rejected by user request"},
    )
    bad = await client.patch(path, json={"suspend_trade": False, "max_margin_multiplier": "3"})
    assert (bad.status_code, bad.json()["code"]) == (422, 40010001)
    assert (await client.get(path)).json() == answer.json()


async def test_an_order_beyond_the_buying_power_is_refused_with_its_cost(
    client: httpx.AsyncClient,
) -> None:
    account = (await client.get("/v2/account")).json()
    refused = await client.post("/v2/orders", json={**MARKET, "qty": "1000000"})
    assert (refused.status_code, refused.json()) == (
        403,
        {
            "code": 40310000,
            "message": "insufficient buying power",
            "buying_power": account["buying_power"],
            "cost_basis": "99000000",
        },
    )


async def test_the_short_side_of_the_account_is_refused_in_their_words(
    client: httpx.AsyncClient, exchange: Exchange
) -> None:
    more = {**MARKET, "symbol": "BBB", "side": "sell", "qty": "1"}
    exchange.perform("borrow", {"symbol": "BBB", "status": "hard_to_borrow"})
    lost = await client.post("/v2/orders", json=more)
    assert (lost.status_code, lost.json()["message"]) == (422, 'asset "BBB" cannot be sold short')
    exchange.perform("borrow", {"symbol": "BBB", "status": "easy_to_borrow"})
    exchange.perform("ssr", {"symbol": "BBB"})
    restricted = await client.post("/v2/orders", json=more)
    assert (restricted.status_code, restricted.json()["code"]) == (403, 40310000)
    above = {**more, "type": "limit", "limit_price": "11"}
    assert (await client.post("/v2/orders", json=above)).status_code == 200


async def test_a_blocked_account_says_so_and_takes_no_order(
    client: httpx.AsyncClient, exchange: Exchange
) -> None:
    exchange.perform("block", {"field": "trading_blocked"})
    assert (await client.get("/v2/account")).json()["trading_blocked"] is True
    refused = await client.post("/v2/orders", json=MARKET)
    assert (refused.status_code, refused.json()["code"]) == (403, 40310000)


async def test_rotated_keys_are_the_only_ones(
    client: httpx.AsyncClient, exchange: Exchange
) -> None:
    exchange.perform("rotate_keys", {"key": "second", "secret": "other"})
    refused = await client.get("/v2/account")
    assert (refused.status_code, refused.json()) == (401, {"message": "unauthorized."})
    others = {"APCA-API-KEY-ID": "second", "APCA-API-SECRET-KEY": "other"}
    assert (await client.get("/v2/account", headers=others)).status_code == 200


async def test_both_shapes_of_the_account_by_switch() -> None:
    data = a_market()
    market = ReplayMarket.over(
        data, TRADED, model=CHARGED, cash=Decimal(100_000), leverage=Decimal(4)
    )
    exchange = Exchange(market, leverage=Decimal(4), pdt_fields=True)
    transport = httpx.ASGITransport(create_app(exchange, key=KEY, secret=SECRET))
    exchange.orders.submit(MARKET)
    exchange.advance(opened(1))
    exchange.orders.submit({**MARKET, "side": "sell", "time_in_force": "cls"})
    exchange.advance(closed(1))
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exchange", headers=KEYS
    ) as client:
        account = await client.get("/v2/account")
        check_schema("/v2/account", account)
        assert account.json()["pattern_day_trader"] is False
        assert account.json()["daytrade_count"] == 1
        assert Decimal(account.json()["daytrading_buying_power"]) > 390_000
        settings = await client.patch("/v2/account/configurations", json={"pdt_check": "exit"})
        check_schema("/v2/account/configurations", settings, "patch")
        assert settings.json()["pdt_check"] == "exit"


async def test_so_many_requests_a_minute_and_then_429(exchange: Exchange) -> None:
    app = create_app(exchange, key=KEY, secret=SECRET, per_minute=2)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://exchange"
    ) as client:
        # Strangers use nothing up.
        assert (await client.get("/v2/clock")).status_code == 401
        answers = [await client.get("/v2/clock", headers=KEYS) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[-1].json() == {"code": 42910000, "message": "rate limit exceeded"}


def test_the_account_over_a_real_port(exchange: Exchange) -> None:
    with served(exchange) as server, httpx.Client(base_url=server.url, headers=KEYS) as client:
        account = client.get("/v2/account").json()
    assert account["multiplier"] == "2"
    assert Decimal(account["equity"]) == exchange.market.brokerage.equity()


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/v2/positions/ZZZ", 404, 40410000, "position does not exist"),
        ("/v2/assets/ZZZ", 404, 40410000, "asset not found for ZZZ"),
        ("/v2/assets?asset_class=gold", 422, 40010001, "invalid asset_class: gold"),
        ("/v2/account/activities?page_size=101", 422, 40010001, "invalid page_size: 101"),
        ("/v2/account/activities/GIFT", 422, 40010001, "invalid activity type: GIFT"),
        ("/v2/account/portfolio/history?timeframe=9Min", 422, 40010001, "invalid timeframe"),
        ("/v2/calendar?start=soon", 400, 40010000, "invalid start: soon"),
        ("/v3/calendar/XLON", 400, 40010000, "invalid market: XLON"),
        ("/v3/clock?time=0001-01-01T00:00:00Z", 422, 40010001, "out of range"),
    ],
)
async def test_what_cannot_be_asked_is_answered_in_their_words(
    client: httpx.AsyncClient, path: str, status: int, code: int, message: str
) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert message in answer.json()["message"]
