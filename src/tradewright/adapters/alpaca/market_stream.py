"""The market data stream: quotes, trades, bars and halts as they come, over reconnections.

Bars of minutes may be corrected later: a bar that starts when an earlier one did replaces it.
What a gap swallowed is gone, except that the latest quotes are asked for after it, when there is
somebody to ask. A quote with one side is no quote here; it is counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from functools import partial
from typing import Any, Final, NoReturn, TypeAlias

import msgpack
from websockets.asyncio.client import ClientConnection

from tradewright.adapters.alpaca.access import VENUE, Access, Manners, Timeouts
from tradewright.adapters.alpaca.connection import Connection, Link
from tradewright.adapters.alpaca.data import quote_of, trade_of
from tradewright.adapters.alpaca.mapping import Symbols, time_of
from tradewright.adapters.alpaca.reading import Json, Parked, Parking, as_list, as_object, decode
from tradewright.core.clock import SystemClock
from tradewright.core.errors import ConfigError, InvalidInput, RateLimited, VenueUnavailable
from tradewright.core.events import QuoteSeen, TradabilityChanged
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Bar, Quote, Trade
from tradewright.core.money import parse_decimal, price
from tradewright.core.session import Timeframe
from tradewright.ports import Clock

MarketNews: TypeAlias = QuoteSeen | Trade | Bar | TradabilityChanged
Refill: TypeAlias = Callable[[Sequence[InstrumentId]], Awaitable[Sequence[Quote]]]

_Reader: TypeAlias = Callable[[InstrumentId, Json], MarketNews | None]
_MSGPACK: Final = "application/msgpack"
_CROWDED_SECONDS: Final = 30.0
_SYMBOL_LIMIT: Final = 405
_SHOWN: Final = 1000
_CONTROL: Final = ("success", "subscription", "error")
_MINUTE: Final = timedelta(minutes=1)
# The two tapes write halts and resumptions differently; their other words are about other things.
_TRADABLE: Final[Mapping[str, bool | None]] = {
    **dict.fromkeys(("2", "H", "P"), False),
    **dict.fromkeys(("3", "T"), True),
    **dict.fromkeys(("5", "6", "7", "8", "9", "A", "C", "D", "E", "Q"), None),
}


class Remedy(StrEnum):
    """What to do about an error of the stream."""

    STOP = "stop"
    LATER = "later"
    AGAIN = "again"


_REMEDIES: Final[Mapping[int, tuple[Remedy, str]]] = {
    400: (Remedy.AGAIN, ""),
    401: (Remedy.AGAIN, ""),
    402: (Remedy.STOP, "check key and secret"),
    403: (Remedy.AGAIN, ""),
    404: (Remedy.AGAIN, ""),
    405: (Remedy.STOP, "ask for fewer symbols, or for less of each"),
    406: (Remedy.LATER, ""),
    407: (Remedy.AGAIN, ""),
    408: (Remedy.STOP, "have the stream enabled for this account"),
    409: (Remedy.STOP, "choose the feed iex, or a subscription with this feed"),
    410: (Remedy.STOP, "ask this feed for other channels"),
    411: (Remedy.STOP, "use a key whose scope includes market data"),
}


def remedy_of(code: object) -> tuple[Remedy, str]:
    """Return what to do about an error code, and what a person can do; unknown ones may pass."""
    return _REMEDIES.get(code, (Remedy.AGAIN, "")) if isinstance(code, int) else (Remedy.AGAIN, "")


@dataclass(frozen=True, slots=True)
class Channels:
    """Which instruments to hear of, by kind of news."""

    quotes: tuple[InstrumentId, ...] = ()
    trades: tuple[InstrumentId, ...] = ()
    bars: tuple[InstrumentId, ...] = ()
    statuses: tuple[InstrumentId, ...] = ()

    def request(self, symbols: Symbols) -> dict[str, Any]:
        """Write the request that subscribes to them."""
        wanted = {
            "quotes": self.quotes,
            "trades": self.trades,
            "bars": self.bars,
            "updatedBars": self.bars,
            "statuses": self.statuses,
        }
        named = {key: [symbols.symbol(i) for i in ids] for key, ids in wanted.items() if ids}
        return {"action": "subscribe", **named}


class AlpacaMarketStream:
    """News of the market from one feed; one reader, since most accounts have one connection."""

    def __init__(
        self,
        access: Access,
        channels: Channels,
        symbols: Symbols | None = None,
        *,
        refill: Refill | None = None,
        timeouts: Timeouts | None = None,
        manners: Manners | None = None,
        clock: Clock | None = None,
        parking: Parking | None = None,
    ) -> None:
        """Prepare; `access.base_url` is the feed's own address, such as wss://host/v2/iex.

        `refill` is asked for the latest quotes after every connection.
        """
        self.parking = parking or Parking()
        self.one_sided = 0
        self._access = access
        self._channels = channels
        self._symbols = symbols or Symbols()
        self._refill = refill
        self._timeouts = timeouts or Timeouts()
        self._clock = clock or SystemClock()
        self._early: list[Json] = []
        self._packed = False
        self._readers: Mapping[str, _Reader] = {
            "q": self._quote,
            "t": trade_of,
            "b": self._bar,
            "u": self._bar,
            "s": self._status,
        }
        self.connection = Connection(
            access.base_url,
            self._enter,
            access.refused,
            timeouts=self._timeouts,
            manners=manners,
            clock=clock,
            headers={"Content-Type": _MSGPACK},
        )

    async def events(self) -> AsyncIterator[MarketNews]:
        """Yield news until `close`.

        Raises:
            ConfigError: The venue accepts neither keys, nor feed, nor channels.
        """
        async with contextlib.aclosing(self.connection.frames()) as frames:
            async for frame in frames:
                if frame is Link.UP:
                    for quote in await self._latest():
                        yield QuoteSeen(quote, quote.at)
                    messages, self._early = self._early, []
                elif isinstance(frame, Link):
                    continue
                else:
                    messages = self._messages(frame)
                for message in messages:
                    for news in self._news(message):
                        yield news

    async def close(self) -> None:
        """End the news; safe to call twice."""
        await self.connection.close()

    async def _enter(self, socket: ClientConnection) -> None:
        self._early = []
        async with asyncio.timeout(self._timeouts.read):
            await self._await(socket, "success", "connected")
            keys = {"key": self._access.key, "secret": self._access.secret}
            await self._say(socket, {"action": "auth", **keys})
            await self._await(socket, "success", "authenticated")
            await self._say(socket, self._channels.request(self._symbols))
            await self._await(socket, "subscription")

    async def _say(self, socket: ClientConnection, message: Mapping[str, Any]) -> None:
        # A server that does not know msgpack has answered its greeting in text.
        await socket.send(msgpack.packb(message) if self._packed else json.dumps(message))

    async def _await(self, socket: ClientConnection, kind: str, said: str = "") -> None:
        while True:
            frame = await socket.recv()
            self._packed = isinstance(frame, bytes) and frame[:1] != b"["
            seen = False
            for message in self._messages(frame):
                if message.get("T") == "error":
                    self._fail(message)
                if message.get("T") == kind and (not said or message.get("msg") == said):
                    seen = True
                elif message.get("T") not in _CONTROL:
                    self._early.append(message)
            if seen:
                return

    def _fail(self, message: Json) -> NoReturn:
        remedy, advice = remedy_of(message.get("code"))
        told = f"{self._access.base_url} says {message.get('code')}: {message.get('msg')}"
        if remedy is Remedy.STOP:
            raise ConfigError(told, advice)
        if remedy is Remedy.LATER:
            raise RateLimited(VENUE, _CROWDED_SECONDS)
        raise VenueUnavailable(VENUE, told)

    async def _latest(self) -> Sequence[Quote]:
        if self._refill is None or not self._channels.quotes:
            return ()
        try:
            return await self._refill(self._channels.quotes)
        except (VenueUnavailable, RateLimited) as error:
            self.parking.park("refill", Parked(f"the latest quotes are not known: {error}", {}))
            return ()

    def _messages(self, frame: str | bytes) -> list[Json]:
        try:
            messages = as_list(decode(frame), "frame")
        except InvalidInput as error:
            self.parking.park("frame", Parked(str(error), {"frame": repr(frame[:_SHOWN])}))
            return []
        return self.parking.each("message", messages, lambda each: as_object(each, "message"))

    def _news(self, message: Json) -> Sequence[MarketNews]:
        kind = message.get("T")
        if kind in _CONTROL:
            if kind == "error":
                self._complain(message)
            return ()
        read = self._readers.get(kind) if isinstance(kind, str) else None
        if read is None:
            self.parking.park("message", Parked(f"news of kind {kind!r} is not known", message))
            return ()
        found = self.parking.each(f"{kind} message", [message], partial(self._read, read))
        return [news for news in found if news is not None]

    def _complain(self, message: Json) -> None:
        self.parking.park("error", Parked("the stream says that something is wrong", message))
        if message.get("code") == _SYMBOL_LIMIT:
            # What was subscribed before goes on.
            return
        self.connection.drop(f"the stream says {message.get('code')}: {message.get('msg')}")

    def _read(self, read: _Reader, message: Json) -> MarketNews | None:
        symbol = message.get("S")
        if not isinstance(symbol, str):
            raise InvalidInput("S", symbol, "is no symbol")
        return read(self._symbols.instrument(symbol), message)

    def _quote(self, instrument: InstrumentId, body: Json) -> QuoteSeen | None:
        quote = quote_of(instrument, body)
        if quote is None:
            self.one_sided += 1
            return None
        return QuoteSeen(quote, quote.at)

    def _bar(self, instrument: InstrumentId, body: Json) -> Bar:
        start = time_of(body.get("t"), "t")
        end = start + _MINUTE
        opened, high, low, close = (price(body.get(key, ""), key) for key in "ohlc")
        return Bar(
            instrument,
            Timeframe.MINUTE,
            start,
            end,
            opened,
            high,
            low,
            close,
            volume=parse_decimal(body.get("v"), "v"),
            known_at=max(end, self._clock.now()),
        )

    def _status(self, instrument: InstrumentId, body: Json) -> TradabilityChanged | None:
        code = str(body.get("sc"))
        if code not in _TRADABLE:
            self.parking.word("status", code, body)
            return None
        tradable = _TRADABLE[code]
        if tradable is None:
            return None
        reason = " ".join(str(body[key]) for key in ("sm", "rc", "rm") if body.get(key))
        return TradabilityChanged(instrument, tradable, time_of(body.get("t"), "t"), reason)
