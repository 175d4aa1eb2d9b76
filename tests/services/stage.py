"""A stage for faults: an exchange on a real port, a plain HTTP client, plain sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import datetime
from decimal import Decimal
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from tests.unit.exchange.builders import FREE, KEY, SECRET, an_exchange, served
from tradewright.data.history import MarketData
from tradewright.exchange.faults.judge import Faults
from tradewright.execution.venue import VenueModel

KEYS = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
MARKET = {"symbol": "AAA", "qty": "10", "side": "buy", "type": "market", "time_in_force": "day"}
TRADES = "/stream"
DATA = "/v2/iex"


class Stage:
    """One exchange with faults enabled, and who trades at it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = httpx.AsyncClient(
            base_url=url, headers=KEYS, trust_env=False, timeout=httpx.Timeout(5)
        )

    async def script(self, toml: str) -> None:
        """Set the rules of a script."""
        answer = await self.client.post("/rehearsal/faults", content=toml)
        assert answer.status_code == 200, answer.text

    async def perform(self, name: str, **arguments: object) -> Any:
        """Have one thing done at once."""
        body = {"name": name, "arguments": arguments}
        answer = await self.client.post("/rehearsal/perform", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def advance(self, to: datetime) -> None:
        answer = await self.client.post("/rehearsal/advance", json={"to": to.isoformat()})
        assert answer.status_code == 200, answer.text

    async def send(self, **changes: object) -> httpx.Response:
        """Send an order to buy at the market, or what the changes make of it."""
        return await self.client.post("/v2/orders", json={**MARKET, **changes})

    async def submit(self, **changes: object) -> dict[str, Any]:
        """Send an order that is taken."""
        answer = await self.send(**changes)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def get(self, path: str, **query: str) -> Any:
        answer = await self.client.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def look_up(self, client_order_id: str) -> httpx.Response:
        query = {"client_order_id": client_order_id}
        return await self.client.get("/v2/orders:by_client_order_id", params=query)

    async def order(self, identity: str) -> dict[str, Any]:
        return dict(await self.get(f"/v2/orders/{identity}", nested="true"))

    async def positions(self) -> dict[str, str]:
        return {row["symbol"]: row["qty"] for row in await self.get("/v2/positions")}

    async def struck(self) -> list[str]:
        """What was done, by the words of the script."""
        return [row["action"] for row in await self.get("/rehearsal/faults/log")]

    def connect(self, path: str = TRADES) -> connect:
        return connect(self.url.replace("http", "ws") + path, proxy=None, max_queue=None)

    @contextlib.asynccontextmanager
    async def stream(self) -> AsyncIterator[ClientConnection]:
        """Listen to trade updates."""
        async with self.connect() as socket:
            await ask(socket, "authenticate", key_id=KEY, secret_key=SECRET)
            await ask(socket, "listen", streams=["trade_updates"])
            yield socket

    @contextlib.asynccontextmanager
    async def data(self, **channels: list[str]) -> AsyncIterator[ClientConnection]:
        """Listen to market data."""
        async with self.connect(DATA) as socket:
            assert (await heard(socket))[0]["msg"] == "connected"
            await socket.send(json.dumps({"action": "auth", "key": KEY, "secret": SECRET}))
            assert (await heard(socket))[0]["msg"] == "authenticated"
            await socket.send(json.dumps({"action": "subscribe", **channels}))
            assert (await heard(socket))[0]["T"] == "subscription"
            yield socket


async def ask(socket: ClientConnection, action: str, **data: object) -> Any:
    await socket.send(json.dumps({"action": action, "data": data}))
    return await heard(socket)


async def heard(socket: ClientConnection) -> Any:
    async with asyncio.timeout(5):
        return json.loads(await socket.recv())


async def told(socket: ClientConnection) -> dict[str, Any]:
    """The facts of the next trade update."""
    message = await heard(socket)
    assert message["stream"] == "trade_updates"
    return dict(message["data"])


async def events(socket: ClientConnection, count: int) -> list[str]:
    return [(await told(socket))["event"] for _ in range(count)]


async def is_silent(socket: ClientConnection, seconds: float = 0.3) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await socket.recv()
    except TimeoutError:
        return True
    return False


@contextlib.asynccontextmanager
async def a_stage(
    data: MarketData | None = None, *, model: VenueModel = FREE
) -> AsyncIterator[Stage]:
    """A stage of the test's own; its account has margin."""
    exchange = an_exchange(data, model=model, leverage=Decimal(2), faults=Faults())
    with served(exchange) as server:
        stage = Stage(server.url)
        async with stage.client:
            yield stage
