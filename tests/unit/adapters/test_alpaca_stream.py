"""The socket of trade updates: reconnects, nonsense, refusals and silence."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from http import HTTPStatus
from typing import Any

import msgpack
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from tradewright.adapters.alpaca import Access, AlpacaBroker, Backoff, Handshakes, Manners, Timeouts
from tradewright.adapters.alpaca.connection import Link
from tradewright.adapters.alpaca.stream import TradeUpdates
from tradewright.core.errors import ConfigError
from tradewright.core.events import OrderEvent, Replaced, Reported

SOON = 5.0
Play = Callable[[ServerConnection], Awaitable[None]]


def an_update(number: int, event: str = "new", **order: str) -> str:
    told = {
        "id": f"v{number}",
        "client_order_id": f"o{number}",
        "updated_at": "2026-01-05T14:30:00Z",
        "status": "new",
        **order,
    }
    data = {"event": event, "timestamp": "2026-01-05T14:30:00Z", "order": told}
    return json.dumps({"stream": "trade_updates", "data": data})


async def welcome(socket: ServerConnection) -> None:
    """Answer as the venue does: authenticated, then listening, in binary frames."""
    keys = json.loads(await socket.recv())
    assert keys["data"] == {"key_id": "key", "secret_key": "secret"}
    told = {"stream": "authorization", "data": {"status": "authorized"}}
    await socket.send(json.dumps(told).encode())
    asked = json.loads(await socket.recv())
    assert asked == {"action": "listen", "data": {"streams": ["trade_updates"]}}
    await socket.send(json.dumps({"stream": "listening", "data": asked["data"]}).encode())


@contextlib.asynccontextmanager
async def venue(play: Play, **options: Any) -> AsyncIterator[Access]:
    async with serve(play, "127.0.0.1", 0, **options) as server:
        port = server.sockets[0].getsockname()[1]
        yield Access(f"http://127.0.0.1:{port}", "key", "secret")


QUICK = Backoff(first=0.01, longest=0.05)


def reading(access: Access, **timeouts: float) -> TradeUpdates:
    waits = Timeouts(**{"connect": 1.0, "read": 1.0, "close": 0.2, **timeouts})
    return TradeUpdates(access, timeouts=waits, manners=Manners(backoff=QUICK))


async def first(updates: TradeUpdates, count: int) -> list[str]:
    """The order ids of the first messages; then the stream is closed."""
    seen: list[str] = []
    async with asyncio.timeout(SOON), contextlib.aclosing(updates.messages()) as messages:
        async for data in messages:
            if isinstance(data, Link):
                continue
            seen.append(data["order"]["client_order_id"])
            if len(seen) == count:
                break
    await updates.close()
    return seen


async def test_text_binary_and_msgpack_frames_are_read_alike() -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        await socket.send(an_update(1))
        await socket.send(an_update(2).encode())
        await socket.send(msgpack.packb(json.loads(an_update(3))))
        await socket.wait_closed()

    async with venue(play) as access:
        updates = reading(access)
        assert await first(updates, 3) == ["o1", "o2", "o3"]
        assert (updates.received, updates.connection.connections) == (3, 1)


async def test_a_lost_connection_comes_back_and_is_counted() -> None:
    served = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal served
        await welcome(socket)
        served += 1
        await socket.send(an_update(served))

    async with venue(play) as access:
        updates = reading(access)
        assert await first(updates, 3) == ["o1", "o2", "o3"]
        assert updates.connection.connections == 3


async def test_nonsense_is_parked_and_the_rest_is_read() -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        for frame in ("{torn", b"\xff\xfe", "[]", '{"stream": "account_updates", "data": {}}'):
            await socket.send(frame)
        await socket.send(an_update(1))
        await socket.wait_closed()

    async with venue(play) as access:
        updates = reading(access)
        assert await first(updates, 1) == ["o1"]
        assert len(updates.parking.latest) == 4


async def test_refused_keys_end_the_stream_with_what_to_check() -> None:
    async def play(socket: ServerConnection) -> None:
        await socket.recv()
        told = {"stream": "authorization", "data": {"status": "unauthorized"}}
        await socket.send(json.dumps(told))
        await socket.wait_closed()

    async with venue(play) as access:
        with pytest.raises(ConfigError, match="check key and secret"):
            await first(reading(access), 1)


@pytest.mark.parametrize(
    ("status", "fatal"),
    [
        (HTTPStatus.UNAUTHORIZED, True),
        (HTTPStatus.FORBIDDEN, True),
        (HTTPStatus.BAD_GATEWAY, False),
    ],
)
async def test_a_refused_handshake_is_fatal_only_for_the_keys(
    status: HTTPStatus, fatal: bool
) -> None:
    refusals = [status]

    def refuse(socket: ServerConnection, _request: Request) -> Response | None:
        return socket.respond(refusals.pop(), "no\n") if refusals else None

    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        await socket.send(an_update(1))
        await socket.wait_closed()

    async with venue(play, process_request=refuse) as access:
        updates = reading(access)
        if fatal:
            with pytest.raises(ConfigError):
                await first(updates, 1)
        else:
            assert await first(updates, 1) == ["o1"]
            assert updates.connection.last_error == f"handshake answered {status.value}"


async def test_a_venue_that_does_not_confirm_the_stream_is_left_and_asked_again() -> None:
    attempts = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 1:
            await socket.recv()
            await socket.send('{"stream": "authorization", "data": {"status": "authorized"}}')
            await socket.recv()
            await socket.send('{"stream": "listening", "data": {"streams": []}}')
            await socket.wait_closed()
            return
        if attempts == 2:
            await socket.wait_closed()
            return
        await welcome(socket)
        await socket.send(an_update(3))
        await socket.wait_closed()

    async with venue(play) as access:
        updates = reading(access, read=0.2)
        assert await first(updates, 1) == ["o3"]
        assert updates.connection.connections == 1


async def test_a_venue_that_has_gone_silent_is_noticed_by_its_missing_pong() -> None:
    attempts = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal attempts
        attempts += 1
        await welcome(socket)
        if attempts == 1:
            socket.transport.pause_reading()
            await asyncio.sleep(1.5)
            socket.transport.abort()
            return
        await socket.send(an_update(2))
        await socket.wait_closed()

    async with venue(play, ping_interval=None) as access:
        updates = reading(access, ping=0.1)
        async with asyncio.timeout(1.2):
            assert await first(updates, 1) == ["o2"]


async def test_closing_ends_the_messages_even_while_waiting_to_reconnect() -> None:
    access = Access("http://127.0.0.1:9", "key", "secret")
    waiting = asyncio.Event()

    def jitter() -> float:
        waiting.set()
        return 0.0

    updates = TradeUpdates(access, manners=Manners(backoff=Backoff(first=30.0, jitter=jitter)))
    task = asyncio.create_task(first(updates, 1))
    async with asyncio.timeout(SOON):
        await waiting.wait()
        assert not updates.connection.connected.is_set()
        assert updates.connection.last_error
        await updates.close()
        assert await task == []


async def test_closing_ends_the_messages_of_a_live_connection() -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        await socket.wait_closed()

    async with venue(play) as access:
        updates = reading(access)
        task = asyncio.create_task(first(updates, 1))
        async with asyncio.timeout(SOON):
            await updates.connection.connected.wait()
            await updates.close()
            assert await task == []
        await updates.close()


async def test_a_full_house_is_left_in_peace_longer_each_time() -> None:
    asked: list[float] = []
    loop = asyncio.get_running_loop()

    def refuse(socket: ServerConnection, _request: Request) -> Response | None:
        asked.append(loop.time())
        return socket.respond(HTTPStatus.TOO_MANY_REQUESTS, "connection limit exceeded\n")

    async def play(_socket: ServerConnection) -> None:
        """Nobody comes in."""

    async with venue(play, process_request=refuse) as access:
        updates = reading(access)
        task = asyncio.create_task(first(updates, 1))
        await asyncio.sleep(0.6)
        await updates.close()
        assert await task == []
        assert len(asked) == 1
        assert updates.connection.last_error == "handshake answered 429"


async def test_a_connection_that_breaks_at_once_is_no_success_and_waits_grow() -> None:
    opened: list[float] = []
    loop = asyncio.get_running_loop()

    async def play(socket: ServerConnection) -> None:
        opened.append(loop.time())
        await welcome(socket)

    async with venue(play) as access:
        manners = Manners(backoff=Backoff(first=0.05, longest=1.0), steady=5.0)
        updates = TradeUpdates(access, timeouts=Timeouts(close=0.2), manners=manners)
        task = asyncio.create_task(first(updates, 1))
        await asyncio.sleep(0.7)
        await updates.close()
        await task
        assert 3 <= len(opened) <= 4
        assert opened[2] - opened[1] > opened[1] - opened[0]


async def test_no_more_handshakes_than_allowed_whatever_the_backoff() -> None:
    handshakes = 0

    async def play(_socket: ServerConnection) -> None:
        nonlocal handshakes
        handshakes += 1

    async with venue(play) as access:
        manners = Manners(backoff=Backoff(first=0.0), handshakes=Handshakes(3, 60.0))
        updates = TradeUpdates(access, timeouts=Timeouts(close=0.2), manners=manners)
        task = asyncio.create_task(first(updates, 1))
        await asyncio.sleep(0.3)
        assert handshakes == 3
        await updates.close()
        assert await task == []


def test_handshakes_are_counted_in_any_stretch() -> None:
    handshakes = Handshakes(2, 60.0)
    for at in (0.0, 10.0):
        assert handshakes.wait(at) == 0
        handshakes.tried(at)
    assert handshakes.wait(20.0) == 40.0
    assert handshakes.wait(60.0) == 0


async def test_keys_that_are_refused_in_the_middle_end_the_stream() -> None:
    visits = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        if visits == 1:
            await welcome(socket)
            told = {"stream": "authorization", "data": {"status": "unauthorized"}}
            await socket.send(json.dumps(told))
            await socket.wait_closed()
            return
        await socket.recv()
        await socket.send('{"stream": "authorization", "data": {"status": "unauthorized"}}')

    async with venue(play) as access:
        with pytest.raises(ConfigError):
            await first(reading(access), 1)
        assert visits == 2


async def test_a_stream_that_should_speak_and_is_silent_is_left() -> None:
    visits = 0

    async def play(socket: ServerConnection) -> None:
        nonlocal visits
        visits += 1
        await welcome(socket)
        if visits == 2:
            await socket.send(an_update(2))
        await socket.wait_closed()

    async with venue(play) as access:
        manners = Manners(backoff=QUICK, silence=0.1)
        updates = TradeUpdates(access, timeouts=Timeouts(close=0.2), manners=manners)
        assert await first(updates, 1) == ["o2"]
        assert "silent for 0.1 s" in updates.connection.last_error


async def test_the_broker_yields_our_events_though_no_request_is_answered() -> None:
    async def play(socket: ServerConnection) -> None:
        await welcome(socket)
        await socket.send(an_update(1, "trade_bust"))
        await socket.send(an_update(2))
        await socket.send(an_update(2, "replaced", replaced_by="v9"))
        await socket.wait_closed()

    async with venue(play) as access:
        waits = Timeouts(connect=1, read=0.5, close=0.2)
        broker = AlpacaBroker(access, timeouts=waits, manners=Manners(backoff=QUICK))
        seen: list[OrderEvent] = []
        async with asyncio.timeout(SOON):
            async for event in broker.events():
                seen.append(event)
                if len(seen) == 2:
                    assert not broker.connected.is_set()
                    await broker.close()
        reported, replaced = seen
        assert isinstance(reported, Reported)
        assert reported.order == "o2"
        # The venue could not be asked for the successor: its own id stands in.
        assert isinstance(replaced, Replaced)
        assert replaced.successor == "v9"
        assert [parked.message["event"] for parked in broker.parking.latest] == ["trade_bust"]
