"""A small venue on a real port: orders, executions and one stream, all told what to say."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tradewright.adapters.alpaca import Access

Body = dict[str, Any]


class Quiet(uvicorn.Server):
    """A server inside a test: signals are the test runner's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def listening(app: Starlette) -> AsyncIterator[str]:
    """The address, without its scheme, at which an app is served."""
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="error", ws="websockets-sansio", lifespan="off")
    server = Quiet(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


class Venue:
    """What the venue knows, and what it says of it on each channel."""

    def __init__(self) -> None:
        self.orders: dict[str, Body] = {}
        self.fills: list[Body] = []
        self.broken = False
        self.mute = False
        self.handshakes = 0
        self.asked: list[str] = []
        self._sockets: list[WebSocket] = []
        self._unlisted: list[Body] = []

    @property
    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/v2/orders", self._submit, methods=["POST"]),
                Route("/v2/orders", self._list),
                Route("/v2/orders:by_client_order_id", self._by_client_id),
                Route("/v2/orders/{id}", self._by_id),
                Route("/v2/account/activities/FILL", self._fills),
                WebSocketRoute("/stream", self._stream),
            ]
        )

    def order(self, name: str, **facts: Any) -> Body:
        """Put an order there; its venue id is `v-` and its name."""
        body = {
            "id": f"v-{name}",
            "client_order_id": name,
            "created_at": "2026-01-05T14:30:00Z",
            "updated_at": "2026-01-05T14:30:00Z",
            "submitted_at": "2025-11-05T14:30:00Z",
            "symbol": "AAPL",
            "side": "buy",
            "type": "limit",
            "qty": "10",
            "filled_qty": "0",
            "status": "new",
            **facts,
        }
        self.orders[name] = body
        return body

    def fill(self, name: str, count: str, *, listed: bool = True, **facts: str) -> Body:
        """Execute so much of an order; returns the order's body."""
        order = self.orders[name]
        total = int(order["filled_qty"]) + int(count)
        done = total == int(order["qty"])
        order |= {
            "filled_qty": str(total),
            "filled_avg_price": "190",
            "status": "filled" if done else "partially_filled",
        }
        row = {
            "id": f"20260105093000000::e-{name}-{total}",
            "order_id": order["id"],
            "symbol": "AAPL",
            "side": "buy",
            "qty": count,
            "price": "190",
            "cum_qty": str(total),
            "transaction_time": "2026-01-05T14:30:30Z",
            **facts,
        }
        (self.fills if listed else self._unlisted).append(row)
        return order

    def list_fills(self) -> None:
        """Let the executions be listed that were not."""
        self.fills.extend(self._unlisted)
        self._unlisted.clear()

    async def tell(self, event: str, order: Mapping[str, Any], **facts: str) -> None:
        """Send a trade update, unless the stream is mute."""
        data = {"event": event, "timestamp": "2026-01-05T14:30:30Z", "order": order, **facts}
        await self.say(json.dumps({"stream": "trade_updates", "data": data}).encode())

    async def tell_fill(self, name: str) -> None:
        """Send the latest execution of an order as its trade update."""
        order = self.orders[name]
        row = next(r for r in reversed(self.fills) if r["order_id"] == order["id"])
        event = "fill" if order["status"] == "filled" else "partial_fill"
        execution = row["id"].rpartition("::")[2]
        await self.tell(event, order, execution_id=execution, qty=row["qty"], price=row["price"])

    async def say(self, frame: bytes) -> None:
        """Send any frame."""
        if not self.mute:
            for connected in self._sockets:
                await connected.send_bytes(frame)

    async def disconnect(self) -> None:
        """End every stream."""
        for connected in list(self._sockets):
            await connected.close()

    async def _stream(self, connected: WebSocket) -> None:
        await connected.accept()
        self.handshakes += 1
        self.mute = False
        with contextlib.suppress(WebSocketDisconnect):
            await connected.receive()
            told = {"stream": "authorization", "data": {"status": "authorized"}}
            await connected.send_bytes(json.dumps(told).encode())
            await connected.receive()
            told = {"stream": "listening", "data": {"streams": ["trade_updates"]}}
            await connected.send_bytes(json.dumps(told).encode())
            self._sockets.append(connected)
            try:
                while (await connected.receive())["type"] != "websocket.disconnect":
                    continue
            finally:
                self._sockets.remove(connected)

    async def _submit(self, request: Request) -> Response:
        body = await request.json()
        return JSONResponse(self.order(body["client_order_id"], qty=body["qty"]))

    async def _list(self, request: Request) -> Response:
        self.asked.append(str(request.url.path))
        if self.broken:
            return Response("<html>", 503)
        ended = {"filled", "canceled", "expired", "rejected", "replaced"}
        return JSONResponse([o for o in self.orders.values() if o["status"] not in ended])

    async def _by_client_id(self, request: Request) -> Response:
        return self._one(self.orders.get(request.query_params["client_order_id"]))

    async def _by_id(self, request: Request) -> Response:
        name = request.path_params["id"].removeprefix("v-")
        return self._one(self.orders.get(name))

    def _one(self, body: Body | None) -> Response:
        if body is None:
            return JSONResponse({"code": 40410000, "message": "order not found"}, 404)
        return JSONResponse(body)

    async def _fills(self, request: Request) -> Response:
        if self.broken:
            return Response("<html>", 503)
        after = request.query_params["after"].replace("+00:00", "")
        return JSONResponse([row for row in self.fills if row["transaction_time"] > after])


@contextlib.asynccontextmanager
async def opened() -> AsyncIterator[tuple[Venue, Access]]:
    """A venue and the way to it."""
    venue = Venue()
    async with listening(venue.app) as address:
        yield venue, Access(f"http://{address}", "key", "secret")
