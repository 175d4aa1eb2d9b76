"""Our adapter's market data and reference against the exchange: what it replays is what we read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

import httpx
import numpy as np
import pytest

from tests.unit.exchange.builders import (
    DAYS,
    KEY,
    SECRET,
    a_market,
    an_exchange,
    closed,
    opened,
    served,
)
from tradewright.adapters.alpaca import (
    Access,
    AlpacaBars,
    AlpacaData,
    AlpacaMarketStream,
    AlpacaReference,
    Channels,
)
from tradewright.adapters.alpaca.market_stream import MarketNews
from tradewright.adapters.alpaca.transport import Transport
from tradewright.core.clock import ManualClock
from tradewright.core.events import QuoteSeen
from tradewright.core.ids import InstrumentId
from tradewright.core.market import Bar, CashDividend, Split, Trade
from tradewright.core.session import Span, Timeframe

AAA, BBB = InstrumentId("AAA"), InstrumentId("BBB")
ACTIONS = (
    CashDividend(AAA, DAYS[2], Decimal("0.5")),
    Split(BBB, DAYS[3], Fraction(2)),
)
SOON = 5.0


@pytest.fixture
def exchange() -> Iterator[Access]:
    with served(an_exchange(a_market(actions=ACTIONS))) as server:
        yield Access(server.url, KEY, SECRET)


async def advance(access: Access, to: str) -> None:
    async with httpx.AsyncClient(headers=access.headers, trust_env=False) as client:
        answer = await client.post(f"{access.base_url}/rehearsal/advance", json={"to": to})
        answer.raise_for_status()


async def test_the_history_that_is_read_is_the_history_that_was_replayed(exchange: Access) -> None:
    await advance(exchange, closed(3).isoformat())
    market = a_market()
    reader = AlpacaBars(
        exchange,
        list(market.instruments.values()),
        calendar=market.calendar,
        clock=ManualClock(closed(3) + timedelta(minutes=1)),
    )
    span = Span(DAYS[0], DAYS[4])
    frame = await asyncio.to_thread(reader.read, [AAA, BBB], Timeframe.DAY, span)
    expected = market.frame.rows(0, 4)
    rows = range(4)
    assert [frame.session_of(r) for r in rows] == [expected.session_of(r) for r in rows]
    for field in ("open", "high", "low", "close", "volume", "start", "end"):
        np.testing.assert_array_equal(getattr(frame, field), getattr(expected, field))
    assert await asyncio.to_thread(reader.actions, [AAA, BBB]) == list(ACTIONS)
    assert not reader.parking.latest
    reader.close()


async def test_the_stream_tells_what_the_market_does_and_nothing_is_parked(
    exchange: Access,
) -> None:
    data = AlpacaData(exchange)
    stream = AlpacaMarketStream(
        Access(f"ws://{exchange.base_url.partition('://')[2]}/v2/iex", KEY, SECRET),
        Channels(quotes=(AAA,), trades=(AAA,), bars=(AAA,), statuses=(AAA,)),
        clock=ManualClock(closed(1)),
        refill=data.latest_quotes,
    )
    seen: list[MarketNews] = []

    async def listen() -> None:
        async for news in stream.events():
            seen.append(news)
            if len(seen) == 1:
                await advance(exchange, closed(1).isoformat())
            if {QuoteSeen, Trade, Bar} <= {type(each) for each in seen[1:]}:
                await stream.close()

    async with asyncio.timeout(SOON):
        await listen()
    await data.close()
    first = seen[0]
    assert isinstance(first, QuoteSeen)
    assert first.at <= closed(0)
    trades = [news for news in seen if isinstance(news, Trade)]
    assert trades[0].price == Decimal(101)
    assert opened(1) <= trades[0].at < closed(1)
    assert not stream.parking.latest


async def test_assets_clock_and_calendar_are_the_markets(exchange: Access) -> None:
    transport = Transport(exchange)
    reference = AlpacaReference(transport, ManualClock(closed(0) + timedelta(seconds=3)))
    assert [one.symbol for one in await reference.assets()] == ["AAA", "BBB"]
    assert await reference.asset("ZZZ") is None
    told = await reference.clock()
    assert (told.at, told.is_open, told.next_open) == (closed(0), False, opened(1))
    assert told.skew_seconds == 3
    calendar = await reference.calendar(Span(date(2024, 1, 2), date(2024, 1, 5)))
    assert calendar.sessions == a_market().calendar.sessions[:4]
    assert not reference.parking.latest
    await transport.close()
