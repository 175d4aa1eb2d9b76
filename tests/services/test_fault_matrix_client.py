"""The fault matrix where the client fails or the calendar turns: what it finds at the exchange.

A crash is the client's own to stage; the exchange is the counterpart that shows what became of
its orders. Here a client leaves without a word, and another asks in its place.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import httpx
import numpy as np
import pytest

from tests.services.stage import Stage, a_stage, told
from tests.unit.exchange.builders import FREE, KEY, SECRET, a_market, closed, opened, served
from tradewright.core.frames import BarFrame
from tradewright.core.ids import InstrumentId
from tradewright.core.instrument import Instrument
from tradewright.core.session import Span, Timeframe
from tradewright.data.calendars import market_calendar
from tradewright.data.history import MarketData
from tradewright.data.sample import bar_times
from tradewright.exchange.app import create_app
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.market.market import ReplayMarket
from tradewright.execution.venue import VenueModel

LIMIT = {"type": "limit", "limit_price": "60", "time_in_force": "gtc"}
NARROW = VenueModel(FREE.costs, volume_share=Decimal("0.01"))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with a_stage() as made:
        yield made


async def crash(stage: Stage) -> Stage:
    """Let the client be gone with its connections, and return the one that starts after it."""
    await stage.client.aclose()
    return Stage(stage.url)


async def filled_of(stage: Stage, order: str) -> tuple[str, Decimal]:
    """What an order has filled by itself, and what its executions add up to."""
    rows = await stage.get("/v2/account/activities/FILL")
    own = [Decimal(row["qty"]) for row in rows if row["order_id"] == order]
    return (await stage.order(order))["filled_qty"], sum(own, Decimal(0))


async def test_row_21_part_of_an_order_filled_before_the_crash() -> None:
    async with a_stage(model=NARROW) as first:
        async with first.stream() as socket:
            order = await first.submit(qty="25", time_in_force="gtc", client_order_id="mine")
            await first.advance(opened(1))
            while (await told(socket))["event"] != "partial_fill":
                continue
        again = await crash(first)
        async with again.client:
            found = (await again.look_up("mine")).json()
            assert (found["id"], found["status"]) == (order["id"], "partially_filled")
            assert await filled_of(again, order["id"]) == ("10", Decimal(10))
            assert await again.positions() == {"AAA": "10"}
            await again.advance(opened(3))
            assert await filled_of(again, order["id"]) == ("25", Decimal(25))


async def test_row_22_an_intent_that_was_never_sent_is_sent_once(stage: Stage) -> None:
    again = await crash(stage)
    async with again.client:
        assert (await again.look_up("mine")).status_code == 404
        await again.submit(client_order_id="mine")
        assert (await again.send(client_order_id="mine")).status_code == 422
        assert len(await again.get("/v2/orders", status="all")) == 1


async def test_row_23_an_order_that_was_sent_before_the_crash_is_found(stage: Stage) -> None:
    await stage.script("""
        [[rule]]
        name = "crash"
        match = { route = "POST /v2/orders", nth = 1 }
        action = "drop_after_commit"
    """)
    with contextlib.suppress(httpx.RemoteProtocolError):
        await stage.send(client_order_id="mine")
    again = await crash(stage)
    async with again.client:
        found = (await again.look_up("mine")).json()
        assert (found["client_order_id"], found["status"]) == ("mine", "accepted")
        await again.advance(opened(1))
        assert await again.positions() == {"AAA": "10"}


@pytest.mark.parametrize("how", ["canceled", "replaced"])
async def test_row_24_a_crash_in_the_middle_of_a_cancel_or_a_replacement(
    stage: Stage, how: str
) -> None:
    await stage.advance(opened(1))
    order = await stage.submit(client_order_id="mine", **LIMIT)
    path = f"/v2/orders/{order['id']}"
    method, changes = "DELETE", None
    if how == "replaced":
        method, changes = "PATCH", {"qty": "6", "client_order_id": "next"}
    await stage.script(f"""
        [[rule]]
        name = "crash"
        match = {{ route = "{method} {path}" }}
        action = "drop_after_commit"
    """)
    with pytest.raises(httpx.RemoteProtocolError):
        await stage.client.request(method, path, json=changes)
    again = await crash(stage)
    async with again.client:
        found = (await again.look_up("mine")).json()
        assert found["status"] == how
        if how == "replaced":
            after = (await again.look_up("next")).json()
            assert (found["replaced_by"], after["replaces"]) == (after["id"], found["id"])
            fill = await again.client.patch(
                f"/v2/orders/{after['id']}", json={"limit_price": "101"}
            )
            assert fill.status_code == 200
            await again.advance(closed(2))
            chain = [found["id"], after["id"], fill.json()["id"]]
            filled = [(await again.order(each))["filled_qty"] for each in chain]
            assert filled == ["0", "0", "6"]
            assert await again.positions() == {"AAA": "6"}


async def test_row_25_reading_everything_twice_changes_nothing(stage: Stage) -> None:
    await stage.submit(client_order_id="mine")
    await stage.advance(opened(1))
    await stage.submit(client_order_id="resting", **LIMIT)
    paths = ("/v2/account", "/v2/positions", "/v2/orders", "/v2/account/activities")
    first = [await stage.get(path) for path in paths]
    before = (await stage.get("/rehearsal/status"))["logged"]
    again = await crash(stage)
    async with again.client:
        assert [await again.get(path) for path in paths] == first
        assert (await again.get("/rehearsal/status"))["logged"] == before


async def test_row_55_a_price_or_size_of_another_order_of_magnitude(stage: Stage) -> None:
    await stage.advance(opened(1))
    far = await stage.send(**{**LIMIT, "limit_price": "60000"})
    assert far.status_code == 422
    large = await stage.send(qty="10000")
    assert (large.status_code, large.json()["message"]) == (403, "insufficient buying power")
    assert await stage.get("/v2/orders", status="all") == []


async def test_row_56_a_runaway_loop_meets_the_limit_of_requests() -> None:
    market = ReplayMarket.over(
        a_market(),
        Span(opened(1).date(), opened(4).date()),
        model=FREE,
        cash=Decimal(100_000),
        leverage=Decimal(1),
    )
    app = create_app(Exchange(market, leverage=Decimal(1)), key=KEY, secret=SECRET, per_minute=5)
    transport = httpx.ASGITransport(app)
    keys = {"APCA-API-KEY-ID": KEY, "APCA-API-SECRET-KEY": SECRET}
    async with httpx.AsyncClient(
        transport=transport, base_url="http://exchange", headers=keys
    ) as client:
        body = {"symbol": "AAA", "qty": "1", "side": "buy", "type": "market"}
        sent = [
            await client.post("/v2/orders", json={**body, "time_in_force": "day"}) for _ in range(8)
        ]
    assert [answer.status_code for answer in sent] == [200] * 5 + [429] * 3
    assert sent[-1].json()["code"] == 42910000
    assert sent[4].headers["X-RateLimit-Remaining"] == "0"


def flat(span: Span, known: Span) -> MarketData:
    """Minutes of a price that stands still, on the sessions of New York's calendar."""
    calendar = market_calendar("XNYS", known)
    times = bar_times(calendar.within(span), Timeframe.MINUTE)
    column = np.full((len(times), 1), 100.0)
    name = InstrumentId("AAA")
    frame = BarFrame(
        Timeframe.MINUTE,
        (name,),
        times.sessions,
        times.session,
        times.start,
        times.end,
        column,
        column + 0.05,
        column - 0.05,
        column,
        column * 1000,
    )
    return MarketData(frame, {name: Instrument(name, "AAA")}, (), calendar, "flat")


@contextlib.asynccontextmanager
async def a_stage_of(span: Span, known: Span) -> AsyncIterator[Stage]:
    market = ReplayMarket.over(
        flat(span, known), span, model=FREE, cash=Decimal(100_000), leverage=Decimal(2)
    )
    with served(Exchange(market, leverage=Decimal(2))) as server:
        stage = Stage(server.url)
        async with stage.client:
            yield stage


@pytest.mark.parametrize(
    ("friday", "monday", "offsets"),
    [
        (date(2026, 10, 30), date(2026, 11, 2), ("-04:00", "-05:00")),
        (date(2026, 3, 6), date(2026, 3, 9), ("-05:00", "-04:00")),
        (date(2027, 3, 12), date(2027, 3, 15), ("-05:00", "-04:00")),
    ],
    ids=["November 2026", "March 2026", "March 2027"],
)
async def test_row_63_the_clocks_change_over_a_weekend(
    friday: date, monday: date, offsets: tuple[str, str]
) -> None:
    week = timedelta(days=7)
    async with a_stage_of(Span(friday, monday), Span(friday - week, monday + week)) as stage:
        morning = datetime.fromisoformat(f"{friday}T09:30:00{offsets[0]}").astimezone(UTC)
        later = datetime.fromisoformat(f"{monday}T09:30:00{offsets[1]}").astimezone(UTC)
        assert later - morning != timedelta(days=3)
        await stage.advance(morning + timedelta(hours=7))
        clock = await stage.get("/v2/clock")
        assert clock["is_open"] is False
        assert clock["next_open"] == f"{monday}T09:30:00{offsets[1]}"
        assert clock["next_close"] == f"{monday}T16:00:00{offsets[1]}"
        await stage.submit(client_order_id="weekend")
        await stage.advance(later - timedelta(seconds=1))
        assert (await stage.look_up("weekend")).json()["status"] == "accepted"
        await stage.advance(later)
        assert (await stage.get("/v2/clock"))["is_open"] is True
        assert (await stage.look_up("weekend")).json()["status"] == "filled"
        await stage.advance(later + timedelta(minutes=1))
        day = later.date().isoformat()
        query = {"symbols": "AAA", "timeframe": "1Min", "start": day}
        (bar,) = (await stage.get("/v2/stocks/bars", **query))["bars"]["AAA"]
        assert datetime.fromisoformat(bar["t"]) == later


@pytest.mark.parametrize("day", [date(2026, 11, 27), date(2026, 12, 24)], ids=str)
async def test_row_64_the_market_closes_at_one(day: date) -> None:
    week = timedelta(days=7)
    async with a_stage_of(Span(day, day), Span(day - week, day + week)) as stage:
        close = datetime.fromisoformat(f"{day}T13:00:00-05:00").astimezone(UTC)
        await stage.advance(close - timedelta(hours=1))
        clock = await stage.get("/v2/clock")
        assert (clock["is_open"], clock["next_close"]) == (True, f"{day}T13:00:00-05:00")
        (shown,) = await stage.get("/v2/calendar", start=str(day), end=str(day))
        assert (shown["open"], shown["close"]) == ("09:30", "13:00")
        resting = await stage.submit(type="limit", limit_price="90", client_order_id="resting")
        assert resting["expires_at"] == f"{day}T18:00:00Z"
        await stage.advance(close - timedelta(minutes=5))
        late = await stage.send(time_in_force="cls", client_order_id="late")
        assert late.status_code == 403
        assert "12:50pm" in late.json()["message"]
        await stage.advance(close)
        assert (await stage.get("/v2/clock"))["is_open"] is False
        assert (await stage.look_up("resting")).json()["status"] == "expired"
        assert (await stage.submit(client_order_id="queued"))["status"] == "accepted"
