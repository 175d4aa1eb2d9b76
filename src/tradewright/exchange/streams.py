"""The stream of trade updates: authenticate, listen, then binary frames that carry JSON.

A client whose handshake asks for `application/msgpack` is answered in MessagePack instead, in the
same words. As at the vendor, nothing is repeated or kept: who is not listening misses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from typing import Any, Final

import msgpack
from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect

from tradewright.exchange.exchange import Exchange
from tradewright.exchange.hub import TRADE_UPDATES
from tradewright.exchange.written import as_json

_TOO_MANY: Final = 429
_PATIENCE_SECONDS: Final = 10


class TradeStream:
    """The door of the stream; with `one_stream` it lets in one client of the account at a time."""

    def __init__(self, exchange: Exchange, *, one_stream: bool = False) -> None:
        """Tell what happens at `exchange` to who shows its keys."""
        self._exchange = exchange
        self._one_stream = one_stream
        self._open = 0

    async def serve(self, socket: WebSocket) -> None:
        """Serve one client until it leaves."""
        if self._one_stream and self._open:
            await socket.send_denial_response(Response("too many connections", _TOO_MANY))
            return
        self._open += 1
        try:
            await _Subscription(socket, self._exchange).run()
        finally:
            self._open -= 1


class _Subscription:
    def __init__(self, socket: WebSocket, exchange: Exchange) -> None:
        self._socket = socket
        self._exchange = exchange
        self._speaks_msgpack = "msgpack" in socket.headers.get("content-type", "")
        self._authorized = False
        self._streams: tuple[str, ...] = ()

    async def run(self) -> None:
        await self._socket.accept()
        with self._exchange.hub.listen(TRADE_UPDATES) as updates:
            tasks = {asyncio.create_task(self._tell(updates)), asyncio.create_task(self._hear())}
            try:
                done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    async def _tell(self, updates: asyncio.Queue[Mapping[str, Any]]) -> None:
        with contextlib.suppress(WebSocketDisconnect, TimeoutError):
            while True:
                update = await updates.get()
                if TRADE_UPDATES in self._streams:
                    # What a client does not read piles up here: it is left, not waited for.
                    async with asyncio.timeout(_PATIENCE_SECONDS):
                        await self._send(TRADE_UPDATES, update["data"])

    async def _hear(self) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                await self._take(await self._receive())

    async def _receive(self) -> Mapping[str, Any]:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1000))
        message = _read(frame.get("text") or frame.get("bytes") or b"")
        return message if isinstance(message, dict) else {}

    async def _take(self, message: Mapping[str, Any]) -> None:
        action = message.get("action")
        data = message.get("data")
        facts: Mapping[str, Any] = data if isinstance(data, dict) else {}
        if action == "authenticate":
            self._authorized = self._admits(facts.get("key_id"), facts.get("secret_key"))
            await self._answer("authorization", status=self._status, action="authenticate")
        elif action == "listen" and not self._authorized:
            await self._answer("authorization", status="unauthorized", action="listen")
        elif action == "listen":
            asked = facts.get("streams")
            streams = asked if isinstance(asked, list) else []
            self._streams = tuple(name for name in streams if name == TRADE_UPDATES)
            await self._answer("listening", streams=list(self._streams))
        else:
            await self._answer("error", message=f"unknown action {action!r}")

    def _admits(self, key: object, secret: object) -> bool:
        if not isinstance(key, str) or not isinstance(secret, str):
            return False
        return self._exchange.keys.admits(_encoded(key), _encoded(secret))

    @property
    def _status(self) -> str:
        return "authorized" if self._authorized else "unauthorized"

    async def _answer(self, stream: str, **data: object) -> None:
        await self._send(stream, data)

    async def _send(self, stream: str, data: Mapping[str, object]) -> None:
        if self._speaks_msgpack:
            message = {"stream": stream, "data": dict(data)}
            await self._socket.send_bytes(msgpack.packb(message))
        else:
            text = f'{{"stream":"{stream}","data":{as_json(data)}}}'
            await self._socket.send_bytes(text.encode())


def _read(raw: str | bytes) -> object:
    try:
        if isinstance(raw, bytes) and raw[:1] not in {b"{", b"["}:
            message: object = msgpack.unpackb(raw)
        else:
            message = json.loads(raw)
    except ValueError:
        return None
    return message


def _encoded(text: str) -> bytes:
    # JSON can hold halves of characters, which are no UTF-8.
    return text.encode("utf-8", "surrogatepass")
