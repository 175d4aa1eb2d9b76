"""The exchange's stream of trade updates, over a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

from tests.unit.exchange.builders import KEY, SECRET, a_replay, opened, served

KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(a_replay()) as server:
        yield server.url


@pytest.fixture
async def socket(address: str) -> AsyncIterator[ClientConnection]:
    async with connect(address.replace("http", "ws") + "/stream", proxy=None) as opened_socket:
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
    await socket.send(json.dumps({"action": "authenticate", "data": 7}).encode())
    assert (await told(socket))["data"]["status"] == "unauthorized"


async def test_msgpack_is_refused_and_not_ignored(address: str) -> None:
    headers = {"Content-Type": "application/msgpack"}
    with pytest.raises(InvalidStatus):
        await connect(
            address.replace("http", "ws") + "/stream", additional_headers=headers, proxy=None
        )


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
