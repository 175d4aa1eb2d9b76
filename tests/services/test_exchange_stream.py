"""The exchange's stream of trade updates, over a real socket."""

from __future__ import annotations

import contextlib
import json
import queue
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import msgpack
import pytest
from alpaca.trading.models import TradeUpdate
from alpaca.trading.stream import TradingStream
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.unit.exchange.builders import KEY, SECRET, an_exchange, opened, served

KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture
def address() -> Iterator[str]:
    with served(an_exchange()) as server:
        yield server.url


@pytest.fixture
async def socket(address: str) -> AsyncIterator[ClientConnection]:
    place = address.replace("http", "ws") + "/stream"
    async with connect(place, proxy=None, max_queue=None) as opened_socket:
        yield opened_socket


async def ask(socket: ClientConnection, action: str, **data: Any) -> dict[str, Any]:
    await socket.send(json.dumps({"action": action, "data": data}))
    return await told(socket)


async def told(socket: ClientConnection) -> dict[str, Any]:
    frame = await socket.recv()
    assert isinstance(frame, bytes)
    return dict(json.loads(frame))


async def test_who_is_not_known_may_not_listen(socket: ClientConnection) -> None:
    answer = await ask(socket, "listen", streams=["trade_updates"])
    assert answer == {
        "stream": "authorization",
        "data": {"status": "unauthorized", "action": "listen"},
    }
    answer = await ask(socket, "authenticate", key_id=KEY, secret_key="wrong")
    assert answer["data"] == {"status": "unauthorized", "action": "authenticate"}


async def test_the_list_of_streams_is_whole_each_time(socket: ClientConnection) -> None:
    answer = await ask(socket, "authenticate", key_id=KEY, secret_key=SECRET)
    assert answer["data"] == {"status": "authorized", "action": "authenticate"}
    answer = await ask(socket, "listen", streams=["trade_updates", "account_updates"])
    assert answer == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
    answer = await ask(socket, "listen", streams=[])
    assert answer == {"stream": "listening", "data": {"streams": []}}


async def test_nonsense_is_answered_and_the_connection_lives(socket: ClientConnection) -> None:
    await socket.send("{torn")
    assert (await told(socket))["stream"] == "error"
    assert (await ask(socket, "dance"))["stream"] == "error"
    for keys in (7, {"key_id": 7, "secret_key": SECRET}, {"key_id": KEY, "secret_key": "\ud800"}):
        await socket.send(json.dumps({"action": "authenticate", "data": keys}).encode())
        assert (await told(socket))["data"]["status"] == "unauthorized"


async def test_who_asks_for_msgpack_is_answered_in_it(address: str) -> None:
    headers = {"Content-Type": "application/msgpack"}
    place = address.replace("http", "ws") + "/stream"
    async with connect(place, additional_headers=headers, proxy=None) as socket:
        keys = {"key_id": KEY, "secret_key": SECRET}
        await socket.send(msgpack.packb({"action": "authenticate", "data": keys}))
        answer = msgpack.unpackb(await socket.recv(decode=False))
        assert answer["data"] == {"status": "authorized", "action": "authenticate"}
        await socket.send(json.dumps({"action": "listen", "data": {"streams": ["trade_updates"]}}))
        answer = msgpack.unpackb(await socket.recv(decode=False))
        assert answer == {"stream": "listening", "data": {"streams": ["trade_updates"]}}
        await socket.send(b"\xc1 no msgpack")
        assert msgpack.unpackb(await socket.recv(decode=False))["stream"] == "error"
        async with httpx.AsyncClient(base_url=address, headers=KEYS, trust_env=False) as client:
            await client.post("/v2/orders", json={**MARKET, "client_order_id": "packed"})
        update = msgpack.unpackb(await socket.recv(decode=False))
        assert update["data"]["order"]["client_order_id"] == "packed"


async def test_a_second_connection_is_refused_where_the_account_has_one() -> None:
    with served(an_exchange(), one_stream=True) as server:
        place = server.url.replace("http", "ws") + "/stream"
        async with connect(place, proxy=None) as first:
            assert (await ask(first, "dance"))["stream"] == "error"
            with pytest.raises(InvalidStatus) as refused:
                await connect(place, proxy=None)
            assert refused.value.response.status_code == 429
        await first.wait_closed()
        async with connect(place, proxy=None) as second:
            assert (await ask(second, "dance"))["stream"] == "error"


async def test_a_client_that_does_not_read_holds_up_nobody(
    address: str, socket: ClientConnection
) -> None:
    await ask(socket, "authenticate", key_id=KEY, secret_key=SECRET)
    await ask(socket, "listen", streams=["trade_updates"])
    socket.transport.pause_reading()
    limit = {**MARKET, "type": "limit", "limit_price": "1"}
    async with httpx.AsyncClient(base_url=address, headers=KEYS, trust_env=False) as client:
        for number in range(200):
            sent = await client.post("/v2/orders", json={**limit, "client_order_id": f"n{number}"})
            assert sent.status_code == 200
        assert len((await client.delete("/v2/orders")).json()) >= 200
    socket.transport.resume_reading()
    first = await told(socket)
    assert first["data"]["order"]["client_order_id"] == "n0"


def test_the_vendors_own_client_hears_of_its_order(address: str) -> None:
    heard: queue.Queue[TradeUpdate] = queue.Queue()

    async def hear(update: TradeUpdate) -> None:
        heard.put(update)

    stream = TradingStream(KEY, SECRET, url_override=address.replace("http", "ws") + "/stream")
    stream.subscribe_trade_updates(hear)
    thread = threading.Thread(target=stream.run)
    thread.start()
    with httpx.Client(base_url=address, headers=KEYS, trust_env=False) as client:
        try:
            update = update_of(heard, client)
        finally:
            stream.stop()
            # The client looks whether it shall stop once a message has come.
            client.post("/v2/orders", json=MARKET)
            thread.join(10)
    assert update.event == "accepted"
    assert update.order.client_order_id.startswith("official")


def update_of(heard: queue.Queue[TradeUpdate], client: httpx.Client) -> TradeUpdate:
    for number in range(50):
        body = {**MARKET, "client_order_id": f"official {number}"}
        client.post("/v2/orders", json=body).raise_for_status()
        with contextlib.suppress(queue.Empty):
            return heard.get(timeout=0.2)
    raise AssertionError("nothing was heard")


async def test_what_happens_to_an_order_is_told_in_order(
    address: str, socket: ClientConnection
) -> None:
    await ask(socket, "authenticate", key_id=KEY, secret_key=SECRET)
    await ask(socket, "listen", streams=["trade_updates"])
    async with httpx.AsyncClient(base_url=address, headers=KEYS, trust_env=False) as client:
        await client.post("/v2/orders", json={**MARKET, "client_order_id": "mine"})
        await client.post("/rehearsal/advance", json={"to": opened(1).isoformat()})
    updates = [await told(socket) for _ in range(3)]
    assert [update["stream"] for update in updates] == ["trade_updates"] * 3
    data = [update["data"] for update in updates]
    assert [update["event"] for update in data] == ["accepted", "new", "fill"]
    assert [update["order"]["status"] for update in data] == ["accepted", "new", "filled"]
    fill = data[2]
    assert (fill["price"], fill["qty"], fill["position_qty"]) == ("101", "10", "10")
    assert fill["order"]["filled_qty"] == "10"
    assert fill["timestamp"] == "2024-01-03T14:30:00Z"
    assert len(fill["execution_id"]) == 36
