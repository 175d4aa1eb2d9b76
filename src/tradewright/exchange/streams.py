"""The stream of trade updates: authenticate, listen, then binary frames that carry JSON.

As at the vendor, nothing is numbered, repeated or kept: who is not listening misses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Mapping
from typing import Any, Final

from fastapi import WebSocket, WebSocketDisconnect

from tradewright.exchange.market import ReplayMarket, Update

TRADE_UPDATES: Final = "trade_updates"
_UNSUPPORTED: Final = 1003


class Subscription:
    """One connected client: who it is, and what it listens to."""

    def __init__(self, socket: WebSocket, key: str, secret: str) -> None:
        """Serve `socket`; it must show `key` and `secret` before it may listen."""
        self._socket = socket
        self._key = key
        self._secret = secret
        self._authorized = False
        self._streams: tuple[str, ...] = ()

    async def run(self, market: ReplayMarket) -> None:
        """Serve the client until it leaves."""
        if "msgpack" in self._socket.headers.get("content-type", ""):
            await self._socket.close(_UNSUPPORTED, "this exchange speaks JSON alone")
            return
        await self._socket.accept()
        with market.listen() as updates:
            forwarding = asyncio.create_task(self._forward(updates))
            try:
                while True:
                    await self._take(await self._receive())
            except WebSocketDisconnect:
                return
            finally:
                forwarding.cancel()
                with contextlib.suppress(asyncio.CancelledError, WebSocketDisconnect):
                    await forwarding

    async def _forward(self, updates: asyncio.Queue[Update]) -> None:
        while True:
            update = await updates.get()
            if TRADE_UPDATES in self._streams:
                await self._send(update)

    async def _receive(self) -> Mapping[str, Any]:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", 1000))
        try:
            message = json.loads(frame.get("text") or frame.get("bytes") or b"")
        except ValueError:
            return {}
        return message if isinstance(message, dict) else {}

    async def _take(self, message: Mapping[str, Any]) -> None:
        action = message.get("action")
        data = message.get("data")
        facts: Mapping[str, Any] = data if isinstance(data, dict) else {}
        if action == "authenticate":
            self._authorized = _same(facts.get("key_id"), self._key) and _same(
                facts.get("secret_key"), self._secret
            )
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

    @property
    def _status(self) -> str:
        return "authorized" if self._authorized else "unauthorized"

    async def _answer(self, stream: str, **data: object) -> None:
        await self._send({"stream": stream, "data": data})

    async def _send(self, message: Mapping[str, object]) -> None:
        await self._socket.send_bytes(json.dumps(message).encode())


def _same(given: object, expected: str) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), expected.encode())
