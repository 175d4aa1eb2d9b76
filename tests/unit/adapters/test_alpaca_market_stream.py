"""The market data stream: both forms, every error, reconnections and nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve

from tradewright.adapters.alpaca import (
    Access,
    AlpacaMarketStream,
    Backoff,
    Channels,
    Manners,
    Symbols,
    Timeouts,
)
from tradewright.adapters.alpaca.market_stream import MarketNews, Remedy, remedy_of
from tradewright.core.clock import ManualClock
from tradewright.core.errors import ConfigError, VenueUnavailable
from tradewright.core.events import QuoteSeen, TradabilityChanged
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.market import Bar, Quote, Trade
from tradewright.core.money import Price
from tradewright.core.session import Timeframe

SOON = 5.0
AT = datetime(2026, 1, 5, 14, 30, 0, 123456, tzinfo=UTC)
NOW = AT + timedelta(minutes=5)
AAA, BBB = InstrumentId("AAA"), InstrumentId("brk-b")
SYMBOLS = Symbols.of([Instrument(AAA, "AAA"), Instrument(BBB, "BRK.B")])
CHANNELS = Channels(quotes=(AAA, BBB), trades=(AAA,), bars=(AAA,), statuses=(AAA,))
SUBSCRIBE = {
    "action": "subscribe",
    "quotes": ["AAA", "BRK.B"],
    "trades": ["AAA"],
    "bars": ["AAA"],
    "updatedBars": ["AAA"],
    "statuses": ["AAA"],
}
Play = Callable[[ServerConnection], Awaitable[None]]
Pack = Callable[[object], str | bytes]


def packed(value: object) -> bytes:
    return bytes(msgpack.packb(value, datetime=True))


def written(value: object) -> str:
    return json.dumps(value, default=lambda at: at.isoformat())


def a_quote(**changes: Any) -> dict[str, Any]:
    quote = {"T": "q", "S": "AAA", "bx": "V", "bp": 99.5, "bs": 100, "ax": "V", "ap": 100.1}
    return {**quote, "as": 200, "c": ["R"], "z": "C", "t": AT, "a_new_field": 1, **changes}


async def welcome(socket: ServerConnection, pack: Pack = packed, early: Sequence[Any] = ()) -> None:
    """Answer as the venue does; `early` comes with the confirmation of the subscription."""

    async def heard() -> Any:
        frame = await socket.recv()
        return json.loads(frame) if isinstance(frame, str) else msgpack.unpackb(frame)

    await socket.send(pack([{"T": "success", "msg": "connected"}]))
    assert await heard() == {"action": "auth", "key": "key", "secret": "secret"}
    await socket.send(pack([{"T": "success", "msg": "authenticated"}]))
    assert await heard() == SUBSCRIBE
    await socket.send(pack([*early, {"T": "subscription", "quotes": ["AAA", "BRK.B"]}]))


@contextlib.asynccontextmanager
async def feed(play: Play, **options: Any) -> AsyncIterator[AlpacaMarketStream]:
    async with serve(play, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        stream = AlpacaMarketStream(
            Access(f"ws://127.0.0.1:{port}/v2/iex", "key", "secret"),
            CHANNELS,
            SYMBOLS,
            timeouts=Timeouts(connect=1, read=1, close=0.2),
            clock=ManualClock(NOW),
            **{"manners": Manners(backoff=Backoff(first=0.01, longest=0.05)), **options},
        )
        try:
            yield stream
        finally:
            await stream.close()


async def first(stream: AlpacaMarketStream, count: int) -> list[MarketNews]:
    seen: list[MarketNews] = []
    async with asyncio.timeout(SOON):
        async for news in stream.events():
            seen.append(news)
            if len(seen) == count:
                break
    return seen


NEWS = [
    a_quote(),
    {"T": "t", "S": "AAA", "i": 1, "x": "V", "p": 100.05, "s": 7, "t": AT, "c": ["@"], "z": "C"},
    {"T": "b", "S": "AAA", "o": 1.5, "h": 2, "l": 1, "c": 1.75, "v": 9, "n": 1, "vw": 1, "t": AT},
    {"T": "u", "S": "AAA", "o": 1.5, "h": 3, "l": 1, "c": 1.75, "v": 9, "n": 1, "vw": 1, "t": AT},
    {"T": "s", "S": "AAA", "sc": "H", "sm": "Trading Halt", "rc": "T1", "rm": "News", "t": AT},
    {"T": "s", "S": "AAA", "sc": "T", "sm": "Trading Resumption", "rc": "", "rm": "", "t": AT},
]


@pytest.mark.parametrize("pack", [packed, written])
async def test_news_is_read_alike_in_msgpack_and_in_text(pack: Pack) -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket, pack)
        await socket.send(pack(NEWS))
        await socket.wait_closed()

    async with feed(play) as stream:
        quote, trade, bar, corrected, halted, resumed = await first(stream, 6)
    assert isinstance(quote, QuoteSeen)
    assert (quote.at, quote.quote.bid, quote.quote.ask) == (AT, Decimal("99.5"), Decimal("100.1"))
    assert [quote.quote.bid_size, quote.quote.ask_size] == [100, 200]
    assert trade == Trade(AAA, AT, Price(Decimal("100.05")), Decimal(7))
    assert isinstance(bar, Bar)
    assert (bar.timeframe, bar.start, bar.close) == (Timeframe.MINUTE, AT, Decimal("1.75"))
    assert (bar.end, bar.known_at) == (AT + timedelta(minutes=1), NOW)
    assert isinstance(corrected, Bar)
    assert (corrected.start, corrected.high) == (AT, Decimal(3))
    assert halted == TradabilityChanged(AAA, tradable=False, at=AT, reason="Trading Halt T1 News")
    assert isinstance(resumed, TradabilityChanged)
    assert resumed.tradable


async def test_news_that_comes_with_the_confirmation_is_not_lost() -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket, early=[a_quote(bp=98)])
        await socket.send(packed([a_quote(bp=99)]))
        await socket.wait_closed()

    async with feed(play) as stream:
        seen = await first(stream, 2)
        assert [news.quote.bid for news in seen if isinstance(news, QuoteSeen)] == [98, 99]


@pytest.mark.parametrize(
    "nonsense",
    [
        b"\xc1",
        packed(7),
        packed([7]),
        packed([a_quote(t="soon")]),
        packed([a_quote(S=None)]),
        packed([a_quote(bp="many")]),
        packed([{"T": "x", "S": "AAA"}]),
        packed([{"T": {"a": 1}}]),
        packed([{"T": "s", "S": "AAA", "sc": "Z", "t": AT}]),
        packed([{"T": "error", "code": 405, "msg": "symbol limit exceeded"}]),
    ],
)
async def test_nonsense_is_parked_and_the_stream_goes_on(nonsense: bytes) -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        await socket.send(nonsense)
        await socket.send(packed([a_quote()]))
        await socket.wait_closed()

    async with feed(play) as stream:
        assert len(await first(stream, 1)) == 1
        assert stream.parking.counts.total() == 1
        assert stream.connection.connections == 1


async def test_a_quote_with_one_side_is_counted_and_not_told() -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        await socket.send(packed([a_quote(bp=0), a_quote(ap=0), a_quote(bp=99)]))
        await socket.wait_closed()

    async with feed(play) as stream:
        (quote,) = await first(stream, 1)
        assert isinstance(quote, QuoteSeen)
        assert stream.one_sided == 2


@pytest.mark.parametrize(
    ("code", "remedy"),
    [
        *((code, Remedy.STOP) for code in (402, 405, 408, 409, 410, 411)),
        *((code, Remedy.AGAIN) for code in (400, 401, 403, 404, 407, 412, 413, 500, "402", None)),
        (406, Remedy.LATER),
    ],
)
def test_every_error_has_a_remedy(code: object, remedy: Remedy) -> None:
    assert remedy_of(code)[0] is remedy
    assert bool(remedy_of(code)[1]) is (remedy is Remedy.STOP)


@pytest.mark.parametrize("code", [402, 405, 409, 411])
async def test_an_error_that_will_not_pass_ends_the_stream_with_advice(code: int) -> None:
    async def play(socket: ServerConnection) -> None:
        await socket.send(packed([{"T": "success", "msg": "connected"}]))
        await socket.recv()
        await socket.send(packed([{"T": "error", "code": code, "msg": "no"}]))
        await socket.wait_closed()

    async with feed(play) as stream:
        with pytest.raises(ConfigError, match=f"says {code}: no; ") as error:
            await first(stream, 1)
        assert error.value.remedy


async def test_a_full_house_is_asked_again_much_later() -> None:
    visits = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        await socket.send(packed([{"T": "success", "msg": "connected"}]))
        await socket.recv()
        await socket.send(packed([{"T": "error", "code": 406, "msg": "connection limit exceeded"}]))
        await socket.wait_closed()

    async with feed(play) as stream:
        task = asyncio.create_task(first(stream, 1))
        await asyncio.sleep(0.4)
        await stream.close()
        assert await task == []
        assert visits == 1


@pytest.mark.parametrize("code", [404, 407, 412, 500])
async def test_an_error_that_may_pass_is_met_by_another_connection(code: int) -> None:
    visits = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        if visits == 1:
            await socket.send(packed([{"T": "error", "code": code, "msg": "no"}]))
            await socket.wait_closed()
            return
        await welcome(socket)
        if visits == 2:
            await socket.send(packed([{"T": "error", "code": code, "msg": "no"}]))
        else:
            await socket.send(packed([a_quote()]))
        await socket.wait_closed()

    async with feed(play) as stream:
        assert len(await first(stream, 1)) == 1
        assert visits == 3


async def test_after_every_connection_the_latest_quotes_are_asked_for() -> None:
    visits = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        await welcome(socket)
        await socket.send(packed([a_quote(bp=visits)]))

    asked: list[Sequence[InstrumentId]] = []

    async def refill(instruments: Sequence[InstrumentId]) -> Sequence[Quote]:
        asked.append(instruments)
        if len(asked) == 1:
            raise VenueUnavailable("alpaca", "no answer")
        return [Quote(AAA, AT, Price(Decimal(50)), Decimal(1), Price(Decimal(51)), Decimal(1))]

    async with feed(play, refill=refill) as stream:
        seen = await first(stream, 3)
    assert [news.quote.bid for news in seen if isinstance(news, QuoteSeen)] == [1, 50, 2]
    assert asked == [CHANNELS.quotes] * 2
    assert stream.parking.counts == {"refill": 1}


async def test_silence_while_news_is_expected_is_met_by_another_connection() -> None:
    visits = 0
    open_market = False

    async def play(socket: ServerConnection) -> None:
        nonlocal visits, open_market
        visits += 1
        await welcome(socket)
        if visits == 1:
            await asyncio.sleep(0.35)
            open_market = True
        else:
            await socket.send(packed([a_quote()]))
        await socket.wait_closed()

    manners = Manners(backoff=Backoff(first=0.01), silence=0.1, expects=lambda: open_market)
    async with feed(play, manners=manners) as stream:
        assert len(await first(stream, 1)) == 1
        assert visits == 2
