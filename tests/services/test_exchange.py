"""The exchange over HTTP: paths, keys, statuses, and answers held against the vendor's schema."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.services.schema import check_schema
from tests.unit.exchange.builders import KEY, SECRET, an_exchange, closed, opened, served
from tradewright.core.errors import ConfigError
from tradewright.exchange.app import create_app
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.server import ExchangeServer

KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture
def exchange() -> Exchange:
    return an_exchange()


@pytest.fixture
async def client(exchange: Exchange) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(exchange, key=KEY, secret=SECRET)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exchange", headers=KEYS
    ) as opened_client:
        yield opened_client


async def test_every_answer_keeps_to_the_schema_of_the_vendor(
    client: httpx.AsyncClient, exchange: Exchange
) -> None:
    taken = await client.post("/v2/orders", json={**MARKET, "client_order_id": "mine"})
    check_schema("/v2/orders", taken, "post")
    exchange.advance(opened(1))
    limit = {**MARKET, "type": "limit", "limit_price": "90", "time_in_force": "gtc"}
    await client.post("/v2/orders", json=limit)
    await client.post("/v2/orders", json={**MARKET, "symbol": "BBB"})
    order = taken.json()["id"]
    for schema, path in {
        "/v2/account": "/v2/account",
        "/v2/assets": "/v2/assets",
        "/v2/assets/{symbol_or_asset_id}": "/v2/assets/AAA",
        "/v2/clock": "/v2/clock",
        "/v2/calendar": "/v2/calendar?start=2024-01-03&end=2024-01-05",
        "/v2/orders": "/v2/orders?status=all",
        "/v2/orders/{order_id}": f"/v2/orders/{order}",
        "/v2/orders:by_client_order_id": "/v2/orders:by_client_order_id?client_order_id=mine",
        "/v2/positions": "/v2/positions",
        "/v2/positions/{symbol_or_asset_id}": "/v2/positions/AAA",
        "/v2/account/activities/{activity_type}": "/v2/account/activities/FILL",
    }.items():
        answer = await client.get(path)
        assert answer.status_code == 200, path
        check_schema(schema, answer)
    check_schema("/v2/orders", await client.delete("/v2/orders"), "delete")


def test_the_schema_check_can_fail() -> None:
    broken = httpx.Response(200, json={"timestamp": "today", "is_open": "yes"})
    with pytest.raises(AssertionError, match="is_open"):
        check_schema("/v2/clock", broken)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ({}, "text/html"),
        ({"APCA-API-KEY-ID": KEY}, "text/html"),
        ({"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": "wrong"}, "application/json"),
        ({"APCA-API-KEY-ID": "é", "APCA-API-SECRET-KEY": SECRET}, "application/json"),
    ],
)
@pytest.mark.parametrize("path", ["/v2/account", "/v2/orders", "/rehearsal/status"])
async def test_without_the_right_keys_there_is_nothing(
    exchange: Exchange, headers: dict[str, str], kind: str, path: str
) -> None:
    transport = httpx.ASGITransport(create_app(exchange, key=KEY, secret=SECRET))
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as stranger:
        encoded = {name.encode(): value.encode() for name, value in headers.items()}
        answer = await stranger.get(path, headers=encoded)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith(kind)
    if kind == "application/json":
        assert answer.json() == {"message": "unauthorized."}


@pytest.mark.parametrize(
    ("method", "path", "status", "code", "message"),
    [
        ("GET", "/v2/assets/ZZZ", 404, 40410000, "asset not found for ZZZ"),
        ("GET", "/v2/positions/AAA", 404, 40410000, "position does not exist"),
        ("GET", "/v2/orders/no", 404, 40410000, "order not found for no"),
        (
            "GET",
            "/v2/orders:by_client_order_id?client_order_id=no",
            404,
            40410000,
            "order not found for no",
        ),
        ("DELETE", "/v2/orders/no", 404, 40410000, "order not found for no"),
        ("PATCH", "/v2/orders/no", 404, 40410000, "order not found for no"),
        ("GET", "/v2/account/activities/GIFT", 422, 40010001, "invalid activity type: GIFT"),
        ("GET", "/v2/calendar?start=soon", 400, 40010000, "invalid start: soon"),
        ("GET", "/v2/calendar?start=2024-01-05&end=2024-01-03", 400, 40010000, "end must not"),
        ("GET", "/v2/orders?limit=501", 422, 40010001, "invalid limit: 501"),
        ("GET", "/v2/watchlists", 404, 40400000, "endpoint not found"),
        ("PUT", "/v2/orders", 405, 40500000, "method not allowed"),
    ],
)
async def test_what_is_not_there_or_not_done_is_answered_in_their_words(
    client: httpx.AsyncClient, method: str, path: str, status: int, code: int, message: str
) -> None:
    answer = await client.request(method, path)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert message in answer.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'"order"'])
async def test_a_body_that_is_no_object_is_a_bad_request(
    client: httpx.AsyncClient, body: bytes
) -> None:
    answer = await client.post("/v2/orders", content=body)
    assert answer.status_code == 400
    assert answer.json() == {"code": 40010000, "message": "request body format is invalid"}


async def test_an_order_is_taken_found_canceled_and_refused_again(
    client: httpx.AsyncClient,
) -> None:
    taken = await client.post("/v2/orders", json={**MARKET, "client_order_id": "mine"})
    assert (taken.status_code, taken.json()["status"]) == (200, "accepted")
    order = taken.json()["id"]
    found = await client.get("/v2/orders:by_client_order_id", params={"client_order_id": "mine"})
    assert found.json()["id"] == order
    again = await client.post("/v2/orders", json={**MARKET, "client_order_id": "mine"})
    assert (again.status_code, again.json()["code"]) == (422, 42210000)
    replaced = await client.patch(f"/v2/orders/{order}", json={"qty": "5"})
    assert (replaced.status_code, replaced.json()["code"]) == (422, 42210000)
    canceled = await client.delete(f"/v2/orders/{order}")
    assert (canceled.status_code, canceled.content) == (204, b"")
    assert (await client.get(f"/v2/orders/{order}")).json()["status"] == "canceled"
    third = await client.post("/v2/orders", json={**MARKET, "client_order_id": "mine"})
    assert (third.status_code, third.json()["code"]) == (422, 40010001)


async def test_numbers_are_taken_as_numbers_or_strings(client: httpx.AsyncClient) -> None:
    body = {**MARKET, "qty": 10.0, "type": "limit", "limit_price": 99.5}
    assert (await client.post("/v2/orders", json=body)).json()["limit_price"] == "99.5"
    noise = {**body, "limit_price": 190.29999999999998}
    answer = await client.post("/v2/orders", json=noise)
    assert answer.status_code == 422
    assert "sub-penny increment" in answer.json()["message"]


async def test_all_orders_are_canceled_at_once(client: httpx.AsyncClient) -> None:
    for name in ("AAA", "BBB"):
        await client.post("/v2/orders", json={**MARKET, "symbol": name})
    answer = await client.delete("/v2/orders")
    assert answer.status_code == 207
    assert [row["status"] for row in answer.json()] == [200, 200]
    assert (await client.get("/v2/orders")).json() == []


async def test_time_moves_when_it_is_told_to(client: httpx.AsyncClient) -> None:
    before = (await client.get("/rehearsal/status")).json()
    assert (before["now"], before["position"], before["events"]) == ("2024-01-02T21:00:00Z", 0, 0)
    assert before["next"] >= before["now"]
    assert not before["done"]
    await client.post("/v2/orders", json=MARKET)
    step = {"to": opened(1).isoformat()}
    after = (await client.post("/rehearsal/advance", json=step)).json()
    assert (after["now"], after["events"], after["done"]) == ("2024-01-03T14:30:00Z", 3, False)
    clock = (await client.get("/v2/clock")).json()
    assert clock == {
        "timestamp": "2024-01-03T09:30:00-05:00",
        "is_open": True,
        "next_open": "2024-01-04T09:30:00-05:00",
        "next_close": "2024-01-03T16:00:00-05:00",
    }
    end = (await client.post("/rehearsal/advance", json={"to": closed(5).isoformat()})).json()
    assert end["done"]
    assert end["next"] is None


@pytest.mark.parametrize("body", [{}, {"to": 5}, {"to": "soon"}, {"to": "2024", "position": "1"}])
async def test_a_step_to_nowhere_is_refused(
    client: httpx.AsyncClient, body: dict[str, object]
) -> None:
    answer = await client.post("/rehearsal/advance", json=body)
    assert (answer.status_code, answer.json()["code"]) == (422, 40010001)


def test_a_port_in_use_is_one_line_that_names_it_and_the_remedy() -> None:
    with served(an_exchange()) as running:
        port = int(running.url.rpartition(":")[2])
        app = create_app(an_exchange(), key=KEY, secret=SECRET)
        with pytest.raises(ConfigError, match="choose another with --port") as error:
            ExchangeServer(app, port=port)
        assert f"port {port}" in str(error.value)
        assert "\n" not in str(error.value)
