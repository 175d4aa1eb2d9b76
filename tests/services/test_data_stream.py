"""The market data stream over a real socket: its handshake, its errors and what it tells."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgpack
import pytest
from starlette.applications import Starlette
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.services.test_market_data import a_sample, an_exchange_over
from tests.unit.exchange.builders import KEY, SECRET
from tradewright.core.session import Timeframe
from tradewright.exchange.app import create_app
from tradewright.exchange.data.stream import DataStreams, StreamRules
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.hub import MARKET_DATA
from tradewright.exchange.server import ExchangeServer

SOON: Final = 10.0
QUIET: Final = 0.2
# The head of a closing frame, its code and the words "slow client".
_CLOSING: Final = 2 + 2 + 11
CONNECTED: Final = {"T": "success", "msg": "connected"}
AUTHENTICATED: Final = {"T": "success", "msg": "authenticated"}
EMPTY: Final = {
    "T": "subscription",
    "trades": [],
    "quotes": [],
    "bars": [],
    "updatedBars": [],
    "dailyBars": [],
    "statuses": [],
    "lulds": [],
    "corrections": [],
    "cancelErrors": [],
}
Message = dict[str, Any]


class Ground:
    """An exchange served on the test's own event loop."""

    def __init__(self, exchange: Exchange, url: str) -> None:
        self.exchange = exchange
        self.url = url.replace("http", "ws")

    def at(self, session: int, **after_open: int) -> datetime:
        opened: datetime = self.exchange.market.data.frame.sessions[session].open
        return opened + timedelta(**after_open)

    @contextlib.asynccontextmanager
    async def socket(self, feed: str = "iex", **headers: str) -> AsyncIterator[Client]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        async with connect(
            f"{self.url}/v2/{feed}", additional_headers=fields, proxy=None, max_size=None
        ) as socket:
            yield Client(socket, packed="msgpack" in headers.get("content_type", ""))

    @contextlib.asynccontextmanager
    async def listening(self, feed: str = "iex", **channels: Any) -> AsyncIterator[Client]:
        async with self.socket(feed) as client:
            await client.enter()
            await client.ask("subscribe", **channels)
            yield client


class Client:
    """One end of a stream, in JSON or in msgpack."""

    def __init__(self, socket: ClientConnection, *, packed: bool) -> None:
        self._socket = socket
        self._packed = packed

    async def send(self, message: object) -> None:
        await self._socket.send(msgpack.packb(message) if self._packed else json.dumps(message))

    async def raw(self, text: str | bytes) -> Message:
        await self._socket.send(text)
        return await self.one()

    async def told(self) -> list[Message]:
        async with asyncio.timeout(SOON):
            frame = await self._socket.recv()
        if self._packed:
            assert isinstance(frame, bytes)
            return list(msgpack.unpackb(frame))
        assert isinstance(frame, str)
        return list(json.loads(frame))

    async def one(self) -> Message:
        messages = await self.told()
        assert len(messages) == 1
        return messages[0]

    async def ask(self, action: str, **facts: Any) -> Message:
        await self.send({"action": action, **facts})
        return await self.one()

    async def enter(self) -> None:
        assert await self.one() == CONNECTED
        assert await self.ask("auth", key=KEY, secret=SECRET) == AUTHENTICATED

    async def rest(self) -> list[Message]:
        """Everything that is told until it is quiet."""
        found: list[Message] = []
        while True:
            try:
                async with asyncio.timeout(QUIET):
                    frame = await self._socket.recv()
            except TimeoutError:
                return found
            found += msgpack.unpackb(frame) if self._packed else json.loads(frame)

    async def is_let_go(self) -> bool:
        with contextlib.suppress(ConnectionClosed):
            async with asyncio.timeout(SOON):
                while True:
                    await self._socket.recv()
        return True


def error(code: int, text: str) -> Message:
    return {"T": "error", "code": code, "msg": text}


@contextlib.asynccontextmanager
async def served(
    rules: StreamRules | None = None, timeframe: Timeframe = Timeframe.MINUTE
) -> AsyncIterator[Ground]:
    exchange = an_exchange_over(a_sample(timeframe))
    app: Starlette = create_app(exchange, key=KEY, secret=SECRET)
    if rules is not None:
        app.router.routes[:0] = DataStreams(exchange, rules=rules).routes()
    ready = asyncio.Event()
    server = ExchangeServer(app, port=0, ready=lambda _url: ready.set())
    serving = asyncio.create_task(server.listen())
    try:
        async with asyncio.timeout(SOON):
            await ready.wait()
        yield Ground(exchange, server.url)
    finally:
        server.stop()
        await serving


@pytest.fixture
async def ground() -> AsyncIterator[Ground]:
    async with served() as made:
        yield made


async def test_connect_authenticate_subscribe(ground: Ground) -> None:
    async with ground.socket() as client:
        await client.enter()
        answer = await client.ask("subscribe", trades=["SIM02", "SIM01"], bars=["*"])
        trades = ["SIM01", "SIM02"]
        full = EMPTY | {
            "trades": trades,
            "bars": ["*"],
            "corrections": trades,
            "cancelErrors": trades,
        }
        assert answer == full
        answer = await client.ask("subscribe", quotes=["SIM01"])
        assert answer == full | {"quotes": ["SIM01"]}
        await client.ask("unsubscribe", trades=trades, bars=["*"], quotes=["SIM01", "ZZZ"])
        assert await client.ask("unsubscribe", lulds=[]) == EMPTY


async def test_keys_may_come_with_the_handshake(ground: Ground) -> None:
    async with ground.socket(APCA_API_KEY_ID=KEY, APCA_API_SECRET_KEY=SECRET) as client:
        assert await client.one() == CONNECTED
        assert await client.one() == AUTHENTICATED
        assert await client.ask("subscribe", bars=[]) == EMPTY
    async with ground.socket(APCA_API_KEY_ID=KEY, APCA_API_SECRET_KEY="wrong") as client:
        assert await client.one() == CONNECTED
        assert await client.one() == error(402, "auth failed")
        assert await client.is_let_go()


async def test_what_is_wrong_is_told_and_the_connection_lives(ground: Ground) -> None:
    async with ground.socket() as client:
        assert await client.one() == CONNECTED
        assert await client.raw("{torn") == error(400, "invalid syntax")
        assert await client.raw("[" * 100_000) == error(400, "invalid syntax")
        assert await client.ask("subscribe", trades=["*"]) == error(401, "not authenticated")
        for pair in ({"key": KEY, "secret": "x"}, {"key": 7}, {"key": "\ud800", "secret": "x"}):
            assert await client.ask("auth", **pair) == error(402, "auth failed")
        assert await client.ask("auth", key=KEY, secret=SECRET) == AUTHENTICATED
        answer = await client.ask("auth", key=KEY, secret=SECRET)
        assert answer == error(403, "already authenticated")
        for action, facts in (
            ("dance", {}),
            ("subscribe", {}),
            ("subscribe", {"trades": "SIM01"}),
            ("subscribe", {"trades": [1]}),
        ):
            assert await client.ask(action, **facts) == error(400, "invalid syntax")
        assert await client.raw("[]") == error(400, "invalid syntax")
        answer = await client.ask("subscribe", orderbooks=["SIM01"])
        assert answer == error(410, "invalid subscribe action for this feed")
        assert await client.ask("unsubscribe", bars=[]) == EMPTY


async def test_who_does_not_say_who_it_is_is_let_go() -> None:
    async with served(StreamRules(auth_seconds=0.1)) as ground, ground.socket() as client:
        assert await client.one() == CONNECTED
        assert await client.one() == error(404, "auth timeout")
        assert await client.is_let_go()


async def test_a_key_has_one_connection_to_a_feed(ground: Ground) -> None:
    async with ground.socket() as first:
        await first.enter()
        async with ground.socket() as second:
            assert await second.one() == CONNECTED
            answer = await second.ask("auth", key=KEY, secret=SECRET)
            assert answer == error(406, "connection limit exceeded")
            assert await second.is_let_go()
        async with ground.socket("sip") as other:
            await other.enter()
        assert await first.ask("subscribe", bars=[]) == EMPTY
    async with ground.socket() as again:
        await again.enter()


async def test_a_feed_may_need_a_subscription_and_symbols_may_be_few() -> None:
    rules = StreamRules(symbols=3, withheld=frozenset({"sip"}))
    async with served(rules) as ground:
        async with ground.socket("sip") as client:
            assert await client.one() == CONNECTED
            answer = await client.ask("auth", key=KEY, secret=SECRET)
            assert answer == error(409, "insufficient subscription")
            assert await client.is_let_go()
        async with ground.socket() as client:
            await client.enter()
            before = await client.ask("subscribe", trades=["A", "B"], bars=["*"])
            for more in ({"quotes": ["A", "B"]}, {"trades": ["*"]}):
                answer = await client.ask("subscribe", **more)
                assert answer == error(405, "symbol limit exceeded")
            # What was subscribed before stays so.
            assert await client.ask("unsubscribe", lulds=[]) == before


def stamped(messages: Sequence[Message], kind: str, symbol: str) -> list[Message]:
    return [m for m in messages if (m["T"], m["S"]) == (kind, symbol)]


async def test_what_is_printed_is_told_in_order_of_time(ground: Ground) -> None:
    market = ground.exchange.market
    sim = market.instruments["SIM01"].id
    async with ground.listening(trades=["SIM01"], quotes=["*"], bars=["SIM01"]) as client:
        start, end = ground.at(2), ground.at(2, minutes=2, seconds=30)
        ground.exchange.advance(end)
        messages = await client.rest()
        assert {m["T"] for m in messages} == {"q", "t", "b"}
        assert {m["S"] for m in messages if m["T"] != "q"} == {"SIM01"}
        before = start - timedelta(microseconds=1)
        trades = market.tape.trades(sim, before, end)
        told = stamped(messages, "t", "SIM01")
        assert [(m["p"], m["s"]) for m in told] == [(float(t.price), int(t.size)) for t in trades]
        assert [datetime.fromisoformat(m["t"]) for m in told] == [t.at for t in trades]
        quotes = market.tape.quotes(sim, before, end)
        told = stamped(messages, "q", "SIM01")
        assert [(m["bp"], m["ap"], m["t"]) for m in told] == [
            (float(q.bid), float(q.ask), _iso(q.at)) for q in quotes
        ]
        times = [datetime.fromisoformat(m["t"]) for m in messages if m["T"] != "b"]
        assert times == sorted(times)
        assert times[-1] <= end
        bars = stamped(messages, "b", "SIM01")
        assert [m["t"] for m in bars] == [_iso(start), _iso(start + timedelta(minutes=1))]
        inner = [t for t in trades if t.at < start + timedelta(minutes=1)]
        assert (bars[0]["v"], bars[0]["n"]) == (sum(t.size for t in inner), len(inner))
        # A bar is told when its minute is over, before anything that comes after.
        place = messages.index(bars[0])
        over = start + timedelta(minutes=1)
        assert all(datetime.fromisoformat(m["t"]) < over for m in messages[:place])
        later = [m for m in messages[place:] if m["T"] != "b"]
        assert all(datetime.fromisoformat(m["t"]) >= over for m in later)


def _iso(at: datetime) -> str:
    text = at.isoformat().removesuffix("+00:00")
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text}Z"


@pytest.mark.parametrize("timeframe", [Timeframe.MINUTE, Timeframe.DAY])
async def test_many_small_steps_tell_what_one_large_one_does(timeframe: Timeframe) -> None:
    channels: dict[str, Any] = {name: ["*"] for name in ("trades", "quotes", "bars", "dailyBars")}
    found: list[list[Message]] = []
    for step in (timedelta(days=1), timedelta(seconds=97)):
        async with served(timeframe=timeframe) as ground, ground.listening(**channels) as client:
            at, end = ground.at(2), ground.at(3, minutes=15)
            ground.exchange.advance(at - timedelta(seconds=1))
            while at < end:
                at = min(at + step, end)
                ground.exchange.advance(at)
                await asyncio.sleep(0)
            found.append(await client.rest())
    assert len(found[0]) > 90
    assert found[0] == found[1]


async def test_daily_bars_come_every_minute_with_the_day_so_far(ground: Ground) -> None:
    async with ground.listening(dailyBars=["SIM01"]) as client:
        ground.exchange.advance(ground.at(2, minutes=3))
        days = await client.rest()
        market = ground.exchange.market
        sim = market.instruments["SIM01"].id
        trades = market.tape.trades(sim, ground.at(2), ground.at(2, minutes=3))
        assert len(days) == 3
        assert {m["T"] for m in days} == {"d"}
        assert {m["t"] for m in days} == {f"{ground.at(2):%Y-%m-%d}T04:00:00Z"}
        assert days[-1]["v"] == sum(t.size for t in trades)
        assert days[-1]["n"] == len(trades)
        assert days[-1]["h"] == max(float(t.price) for t in trades)
        assert [m["o"] for m in days] == [float(trades[0].price)] * 3


async def test_msgpack_carries_the_same_with_its_own_timestamps(ground: Ground) -> None:
    channels: dict[str, Any] = {name: ["*"] for name in ("trades", "quotes", "bars", "dailyBars")}
    async with (
        ground.listening(**channels) as plain,
        ground.socket("sip", content_type="application/msgpack") as packed,
    ):
        await packed.enter()
        await packed.ask("subscribe", **channels)
        ground.exchange.advance(ground.at(2, minutes=2))
        ours, theirs = await plain.rest(), await packed.rest()
    assert all(isinstance(m["t"], msgpack.Timestamp) for m in theirs)
    assert [m | {"t": _iso(m["t"].to_datetime())} for m in theirs] == ours


async def test_nothing_of_before_the_subscription_or_of_other_channels(ground: Ground) -> None:
    async with ground.socket() as client:
        await client.enter()
        ground.exchange.advance(ground.at(2, minutes=5))
        await client.ask("subscribe", trades=["SIM02"])
        assert await client.rest() == []
        ground.exchange.advance(ground.at(2, minutes=6))
        messages = await client.rest()
        assert {(m["T"], m["S"]) for m in messages} == {("t", "SIM02")}
        times = [datetime.fromisoformat(m["t"]) for m in messages]
        assert ground.at(2, minutes=5) < times[0] < times[-1] <= ground.at(2, minutes=6)
        await client.ask("unsubscribe", trades=["SIM02"])
        ground.exchange.advance(ground.at(2, minutes=7))
        assert await client.rest() == []


async def test_a_whole_day_comes_in_parts_while_others_are_served(ground: Ground) -> None:
    channels: dict[str, Any] = {name: ["*"] for name in ("trades", "quotes")}
    async with ground.listening(**channels) as client, ground.socket("sip") as other:
        ground.exchange.advance(ground.at(2, hours=7))
        frames = [await client.told()]
        await other.enter()
        count = len(frames[0])
        tape, market = ground.exchange.market.tape, ground.exchange.market
        span = (ground.at(2, seconds=-1), ground.at(2, hours=7))
        expected = sum(
            len(tape.trades(i.id, *span)) + len(tape.quotes(i.id, *span))
            for i in market.instruments.values()
        )
        while count < expected:
            frames.append(await client.told())
            count += len(frames[-1])
        assert count == expected
        assert max(map(len, frames)) <= 500


async def test_who_takes_nothing_is_let_go_and_nobody_else_waits() -> None:
    channels: dict[str, Any] = {name: ["*"] for name in ("trades", "quotes")}
    async with served(StreamRules(slow_seconds=0.3)) as ground:
        host, _, port = ground.url.removeprefix("ws://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(_handshake())
        async with asyncio.timeout(SOON):
            head = await reader.readuntil(b'"authenticated"')
            assert b"101 Switching Protocols" in head
            writer.write(_masked({"action": "subscribe", **channels}))
            await reader.readuntil(b'"cancelErrors"')
        ground.exchange.advance(ground.at(9, hours=7))
        async with ground.listening("sip", bars=["SIM01"]) as other:
            assert await other.ask("unsubscribe", bars=["SIM01"]) == EMPTY
        async with asyncio.timeout(SOON):
            # Its place is free again once it was let go.
            while True:
                async with ground.socket() as again:
                    assert await again.one() == CONNECTED
                    answer = await again.ask("auth", key=KEY, secret=SECRET)
                if answer == AUTHENTICATED:
                    break
                assert answer == error(406, "connection limit exceeded")
                await asyncio.sleep(0.05)
        writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@pytest.mark.parametrize("packed", [False, True], ids=["json", "msgpack"])
async def test_who_reads_late_finds_the_error_behind_what_was_sent(packed: bool) -> None:
    channels: dict[str, Any] = {name: ["*"] for name in ("trades", "quotes")}
    async with served(StreamRules(slow_seconds=0.3)) as ground:
        host, _, port = ground.url.removeprefix("ws://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1024)
        writer.write(_handshake(packed=packed))
        async with asyncio.timeout(SOON):
            await reader.readuntil(b"authenticated")
            subscribe = {"action": "subscribe", **channels}
            writer.write(_masked(subscribe, packed=packed))
            await reader.readuntil(b"cancelErrors")
        ground.exchange.advance(ground.at(9, hours=7))
        async with asyncio.timeout(SOON):
            while True:
                # It was let go once its place is free; till then it has read nothing.
                async with ground.socket() as other:
                    await other.one()
                    if await other.ask("auth", key=KEY, secret=SECRET) == AUTHENTICATED:
                        break
            # What a client says before it reads must not cost it what is under way.
            writer.write(_masked({"action": "unsubscribe", "trades": ["*"]}, packed=packed))
            await asyncio.sleep(0.05)
            unread = await reader.read()
        told, closing = unread[:-_CLOSING], unread[-_CLOSING:]
        assert closing[:4] == bytes([0x88, _CLOSING - 2, 0x03, 0xE8])
        last: list[Any] = [{"T": "error", "code": 407, "msg": "slow client"}]
        packing: Any = msgpack.packb(last) if packed else json.dumps(last, separators=(",", ":"))
        body = packing if packed else packing.encode()
        assert told.endswith(bytes([0x82 if packed else 0x81, len(body)]) + body)
        assert len(told) > 100_000
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


def _handshake(*, packed: bool = False) -> bytes:
    lines = {
        "Host": "x",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        "Sec-WebSocket-Version": "13",
        "APCA-API-KEY-ID": KEY,
        "APCA-API-SECRET-KEY": SECRET,
        **({"Content-Type": "application/msgpack"} if packed else {}),
    }
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"GET /v2/iex HTTP/1.1\r\n{text}\r\n".encode()


def _masked(message: Mapping[str, object], *, packed: bool = False) -> bytes:
    body: Any = msgpack.packb(message) if packed else json.dumps(message).encode()
    assert len(body) < 126
    return bytes([0x82 if packed else 0x81, 0x80 | len(body), 0, 0, 0, 0, *body])


async def test_halts_and_pauses_are_told(ground: Ground) -> None:
    market = ground.exchange.market
    sim = market.instruments["SIM01"].id
    async with ground.listening(statuses=["SIM01"], lulds=["*"]) as client:
        ground.exchange.advance(ground.at(2, minutes=1))
        market.halt(sim, "T1")
        market.halt(market.instruments["SIM02"].id, "LUDP")
        ground.exchange.advance(ground.at(2, minutes=1, seconds=1))
        market.resume(sim)
        ground.exchange.advance(ground.at(2, minutes=1, seconds=2))
        messages = await client.rest()
    halted, resumed = stamped(messages, "s", "SIM01")
    assert (halted["sc"], halted["rc"]) == ("H", "T1")
    assert (resumed["sc"], resumed["sm"]) == ("T", "Trading Resumption")
    assert halted["t"] < resumed["t"]
    band = stamped(messages, "l", "SIM02")[0]
    assert band["d"] < band["u"]
    assert len(messages) == 3


async def test_what_the_tape_does_not_print_can_be_told_too(ground: Ground) -> None:
    now, hub = ground.exchange.market.now, ground.exchange.hub
    late: Message = {
        "T": "u",
        "S": "SIM01",
        "o": 1,
        "h": 2,
        "l": 1,
        "c": 2,
        "v": 3,
        "n": 1,
        "vw": 2,
    }
    cancel: Message = {"T": "x", "S": "SIM01", "i": 7, "x": "V", "p": 1, "s": 2, "a": "C", "z": "A"}
    async with ground.listening(updatedBars=["SIM01"], trades=["SIM01"]) as client:
        for message in (late, cancel, cancel | {"S": "SIM02"}, {"T": "d", "S": "SIM01"}):
            hub.publish(MARKET_DATA, message | {"t": now})
        assert await client.rest() == [late | {"t": _iso(now)}, cancel | {"t": _iso(now)}]


async def test_a_frozen_symbol_is_silent_and_a_corrupted_one_lies(ground: Ground) -> None:
    market = ground.exchange.market
    first, second = (market.instruments[name].id for name in ("SIM01", "SIM02"))
    async with ground.listening(trades=["*"], quotes=["*"], bars=["*"]) as client:
        ground.exchange.advance(ground.at(2, minutes=1))
        await client.rest()
        market.frozen[first] = market.now
        market.corrupted[second] = "crossed"
        ground.exchange.advance(ground.at(2, minutes=3))
        messages = await client.rest()
    assert "SIM01" not in {m["S"] for m in messages}
    assert all(m["bp"] > m["ap"] for m in stamped(messages, "q", "SIM02"))
    assert stamped(messages, "b", "SIM02")


async def test_the_test_feed_has_fakepaca_at_any_time(ground: Ground) -> None:
    async with ground.listening("test", trades=["FAKEPACA"], quotes=["FAKEPACA"]) as client:
        messages = await client.told()
    assert [m["T"] for m in messages] == ["q", "t"]
    assert {m["S"] for m in messages} == {"FAKEPACA"}
    assert messages[0]["bp"] < messages[1]["p"] < messages[0]["ap"]
    assert messages[0]["t"] == _iso(ground.exchange.market.now)


async def test_a_change_of_keys_holds_for_the_stream_too(ground: Ground) -> None:
    rotated = ground.exchange.perform("rotate_keys", {"key": "other", "secret": "another"})
    assert rotated
    async with ground.socket() as client:
        assert await client.one() == CONNECTED
        assert await client.ask("auth", key=KEY, secret=SECRET) == error(402, "auth failed")
        assert await client.ask("auth", key="other", secret="another") == AUTHENTICATED
