"""The market data stream: connected, authenticated, subscribed, and then what the tape prints.

As at the vendor nothing is repeated or kept: a client hears what is printed while it listens.
The stream follows the market's clock and pulls from the tape, so a market that runs ahead of a
client piles up a span of time and no messages; a client that takes nothing at all is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgpack
import numpy as np
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from tradewright.core.frames import from_nanos, to_nanos
from tradewright.exchange.data.bodies import Row
from tradewright.exchange.data.feed import (
    CHANNELS,
    EVERY,
    DataFeed,
    Subscriptions,
    Writer,
    json_times,
    msgpack_times,
    pretended,
)
from tradewright.exchange.data.line import part
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.hub import MARKET_DATA, TIME
from tradewright.exchange.market.halts import HaltChange

FEEDS: Final = ("iex", "sip", "delayed_sip", "test")
MESSAGES: Final = {
    400: "invalid syntax",
    401: "not authenticated",
    402: "auth failed",
    403: "already authenticated",
    404: "auth timeout",
    405: "symbol limit exceeded",
    406: "connection limit exceeded",
    407: "slow client",
    409: "insufficient subscription",
    410: "invalid subscribe action for this feed",
}
_OF_TYPE: Final = {
    "t": "trades",
    "c": "trades",
    "x": "trades",
    "q": "quotes",
    "b": "bars",
    "u": "updatedBars",
    "d": "dailyBars",
    "l": "lulds",
}
_STATUS: Final = "s"
_BEGINNING: Final = datetime.min.replace(tzinfo=UTC)
_END: Final = datetime.max.replace(tzinfo=UTC)
_FRAME: Final = 500
_CLOSED: Final = 1000
_SLOW: Final = 407
_SECOND: Final = 1.0


@dataclass(frozen=True, slots=True)
class StreamRules:
    """What a client may do.

    `connections` is per key and feed, `symbols` over trades and quotes (None: any number); a feed
    in `withheld` needs a subscription that nobody has. A client has `auth_seconds` to say who it
    is, and may let `slow_seconds` pass without taking a message.
    """

    connections: int = 1
    symbols: int | None = None
    withheld: frozenset[str] = frozenset()
    auth_seconds: float = 10.0
    slow_seconds: float = 5.0


_RULES: Final = StreamRules()


class DataStreams:
    """The market data streams of an exchange, one for each feed; all show the same tape."""

    def __init__(self, exchange: Exchange, *, rules: StreamRules = _RULES) -> None:
        """Serve `exchange` to who shows its keys."""
        self.exchange = exchange
        self.rules = rules
        self._connected: Counter[str] = Counter()

    def routes(self) -> Sequence[WebSocketRoute]:
        """Return the websocket routes to mount."""
        return [WebSocketRoute(f"/v2/{feed}", self._endpoint(feed)) for feed in FEEDS]

    def admits(self, key: object, secret: object) -> bool:
        """Say whether these are the right keys."""
        if not isinstance(key, str) or not isinstance(secret, str):
            return False
        # What cannot be written in UTF-8 is no key either.
        pair = (text.encode(errors="replace") for text in (key, secret))
        return self.exchange.keys.admits(*pair)

    def enter(self, feed: str) -> bool:
        """Take one of a feed's connections, if one is left."""
        if self._connected[feed] >= self.rules.connections:
            return False
        self._connected[feed] += 1
        return True

    def leave(self, feed: str) -> None:
        """Give a connection back."""
        self._connected[feed] -= 1

    def _endpoint(self, feed: str) -> Any:  # noqa: ANN401 - starlette's type of an endpoint
        async def stream(socket: WebSocket) -> None:
            await _Client(self, socket, feed).run()

        return stream


class _LetGo(Exception):
    """The connection ends, with an error said first or without."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(MESSAGES[code])


class _Client:
    def __init__(self, streams: DataStreams, socket: WebSocket, feed: str) -> None:
        self._streams = streams
        self._socket = socket
        self._feed = feed
        self._packed = "msgpack" in socket.headers.get("content-type", "")
        self._packer = msgpack.Packer()
        self._write: Writer = msgpack_times if self._packed else json_times
        self._wanted = Subscriptions()
        self._entered = False
        self._halts = streams.exchange.market.halts
        self._halted = len(self._halts.changes(_BEGINNING, _END))
        self._sending = asyncio.Lock()

    async def run(self) -> None:
        """Serve the client until it leaves or is let go."""
        await self._socket.accept()
        telling: list[asyncio.Task[None]] = []
        try:
            await self._send([{"T": "success", "msg": "connected"}])
            await self._authenticate()
            telling = [asyncio.create_task(task) for task in self._tasks()]
            hearing = asyncio.create_task(self._hear())
            telling.append(hearing)
            done, _ = await asyncio.wait(telling, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        except _LetGo as error:
            await self._say_goodbye(error.code)
        except WebSocketDisconnect:
            return
        finally:
            if self._entered:
                self._streams.leave(self._feed)
            for task in telling:
                task.cancel()
            await asyncio.gather(*telling, return_exceptions=True)

    def _tasks(self) -> list[Any]:
        if self._feed == "test":
            return [self._pretend()]
        return [self._follow(), self._pass_on()]

    async def _authenticate(self) -> None:
        headers = self._socket.headers
        key, secret = headers.get("apca-api-key-id"), headers.get("apca-api-secret-key")
        if key is not None and secret is not None:
            if not await self._admitted(key, secret):
                raise _LetGo(402)
            return
        try:
            async with asyncio.timeout(self._streams.rules.auth_seconds):
                while True:
                    message = await self._receive()
                    if message is None:
                        await self._error(400)
                    elif message.get("action") != "auth":
                        await self._error(401)
                    elif await self._admitted(message.get("key"), message.get("secret")):
                        return
                    else:
                        await self._error(402)
        except TimeoutError as error:
            raise _LetGo(404) from error

    async def _admitted(self, key: object, secret: object) -> bool:
        if not self._streams.admits(key, secret):
            return False
        if self._feed in self._streams.rules.withheld:
            raise _LetGo(409)
        self._entered = self._streams.enter(self._feed)
        if not self._entered:
            raise _LetGo(406)
        await self._send([{"T": "success", "msg": "authenticated"}])
        return True

    async def _hear(self) -> None:
        while True:
            message = await self._receive()
            action = None if message is None else message.get("action")
            if message is None or action not in ("auth", "subscribe", "unsubscribe"):
                await self._error(400)
            elif action == "auth":
                await self._error(403)
            else:
                await self._change(message, add=action == "subscribe")

    async def _change(self, message: Mapping[str, Any], *, add: bool) -> None:
        asked = {name: symbols for name, symbols in message.items() if name != "action"}
        if any(name not in CHANNELS for name in asked):
            await self._error(410)
            return
        if not asked or not all(_are_symbols(symbols) for symbols in asked.values()):
            await self._error(400)
            return
        wanted = self._wanted.with_change(asked, add=add)
        most = self._streams.rules.symbols
        if add and most is not None:
            listened = [wanted.symbols[name] for name in ("trades", "quotes")]
            if sum(map(len, listened)) > most or any(EVERY in symbols for symbols in listened):
                await self._error(405)
                return
        self._wanted = wanted
        await self._send([wanted.message()])

    async def _follow(self) -> None:
        with self._streams.exchange.hub.listen(TIME) as times:
            while True:
                after, to = await times.get()
                while not times.empty():
                    # Who lags behind hears of several steps as of one.
                    _, to = times.get_nowait()
                await self._tell(to_nanos(after), to_nanos(to))

    async def _tell(self, after: int, to: int) -> None:
        feed = DataFeed(self._streams.exchange.market)
        if not feed.count(self._wanted, after, to):
            self._fresh_halts(to)
            return
        for begin, end in feed.parts(self._wanted, after, to):
            halts = self._fresh_halts(end)
            await self._send(feed.messages(self._wanted, (begin, end), self._write, halts))
            await asyncio.sleep(0)

    async def _pass_on(self) -> None:
        with self._streams.exchange.hub.listen(MARKET_DATA) as messages:
            while True:
                message: Row = await messages.get()
                at = to_nanos(message["t"])
                if message["T"] == _STATUS:
                    # A halt between two steps of time: told now, and not again with the next.
                    feed = DataFeed(self._streams.exchange.market)
                    halts = self._fresh_halts(at)
                    await self._send(feed.messages(self._wanted, (at, at), self._write, halts))
                elif self._wanted.has(_OF_TYPE[message["T"]], message["S"]):
                    stamp = self._write(np.array([at], dtype=np.int64))[0]
                    await self._send([message | {"t": stamp}])

    def _fresh_halts(self, to: int) -> Sequence[HaltChange]:
        # By their number and not by time: one may have the time at which the last step ended.
        halts = self._streams.exchange.market.halts
        if halts is not self._halts:
            # The market was reset, and with it what has happened.
            self._halts, self._halted = halts, 0
        every = halts.changes(_BEGINNING, from_nanos(to))
        fresh = every[self._halted :]
        self._halted += len(fresh)
        return fresh

    async def _pretend(self) -> None:
        number = 0
        while True:
            at = to_nanos(self._streams.exchange.market.now)
            await self._send(pretended(at, number, self._wanted, self._write))
            number += 1
            await asyncio.sleep(_SECOND)

    async def _receive(self) -> Mapping[str, Any] | None:
        frame = await self._socket.receive()
        if frame["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(frame.get("code", _CLOSED))
        text, data = frame.get("text"), frame.get("bytes")
        try:
            if text is None and self._packed:
                message = msgpack.unpackb(data or b"")
            else:
                message = json.loads(data or b"" if text is None else text)
        except (ValueError, RecursionError, msgpack.UnpackException):
            return None
        return message if isinstance(message, dict) else None

    async def _error(self, code: int) -> None:
        await self._send([_error_row(code)])

    async def _say_goodbye(self, code: int) -> None:
        if code == _SLOW:
            frame = self._frame([_error_row(code)])
            said = frame.get("text") or frame["bytes"]
            part(self._socket.scope, said, _CLOSED, MESSAGES[code])
            return
        with contextlib.suppress(TimeoutError, WebSocketDisconnect, RuntimeError, _LetGo):
            async with asyncio.timeout(_SECOND):
                await self._error(code)
                await self._socket.close(_CLOSED, MESSAGES[code])

    async def _send(self, rows: Sequence[Row]) -> None:
        for first in range(0, len(rows), _FRAME):
            try:
                async with self._sending, asyncio.timeout(self._streams.rules.slow_seconds):
                    await self._socket.send(self._frame(rows[first : first + _FRAME]))
            except TimeoutError as error:
                raise _LetGo(_SLOW) from error

    def _frame(self, rows: Sequence[Row]) -> dict[str, Any]:
        if self._packed:
            return {"type": "websocket.send", "bytes": self._packer.pack(rows)}
        text = json.dumps(rows, separators=(",", ":"))
        return {"type": "websocket.send", "text": text}


def _error_row(code: int) -> Row:
    return {"T": "error", "code": code, "msg": MESSAGES[code]}


def _are_symbols(symbols: object) -> bool:
    return isinstance(symbols, list) and all(
        isinstance(symbol, str) and symbol.isascii() for symbol in symbols
    )
