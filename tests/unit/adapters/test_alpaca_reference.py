"""Assets, clock and calendar as the venue tells them."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.unit.adapters.alpaca_venue import listening
from tradewright.adapters.alpaca import Access, AlpacaReference, Backoff, Manners
from tradewright.adapters.alpaca.transport import Transport
from tradewright.core.clock import ManualClock
from tradewright.core.errors import VenueRejected, VenueUnavailable
from tradewright.core.session import Span

NOW = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
ASSET = {
    "id": "x",
    "class": "us_equity",
    "exchange": "NASDAQ",
    "symbol": "AAPL",
    "status": "active",
    "tradable": True,
    "shortable": True,
}


@contextlib.asynccontextmanager
async def told(body: object, status: int = 200) -> AsyncIterator[AlpacaReference]:
    async def answer(_request: Request) -> Response:
        if isinstance(body, str):
            return Response(body, status)
        return JSONResponse(body, status)

    async with listening(Starlette(routes=[Route("/{path:path}", answer)])) as address:
        access = Access(f"http://{address}", "key", "secret")
        transport = Transport(access, manners=Manners(retry=Backoff(first=0.001)))
        try:
            yield AlpacaReference(transport, ManualClock(NOW))
        finally:
            await transport.close()


async def test_assets_are_instruments_and_one_bad_row_hurts_no_other() -> None:
    rows = [{**ASSET, "symbol": "ZZZ"}, 7, {**ASSET, "symbol": None}, ASSET]
    async with told(rows) as reference:
        found = await reference.assets()
        assert [one.symbol for one in found] == ["AAPL", "ZZZ"]
        assert (found[0].venue, found[0].shortable, found[0].tradable) == ("XNAS", True, True)
        assert reference.parking.counts == {"asset": 2}


@pytest.mark.parametrize(
    ("changes", "facts"),
    [
        ({"exchange": "MOON"}, ("MOON", True, True)),
        ({"tradable": False}, ("XNAS", False, True)),
        ({"tradable": None}, ("XNAS", False, True)),
        ({"status": "inactive"}, ("XNAS", False, True)),
        ({"shortable": "yes"}, ("XNAS", True, False)),
    ],
)
async def test_what_is_not_said_clearly_is_not_so(
    changes: dict[str, Any], facts: tuple[str, bool, bool]
) -> None:
    async with told({**ASSET, **changes}) as reference:
        one = await reference.asset("AAPL")
        assert one is not None
        assert (one.venue, one.tradable, one.shortable) == facts


async def test_an_asset_that_they_do_not_have_is_none_and_a_torn_page_is_not() -> None:
    async with told({"code": 40410000, "message": "asset not found for X"}, 404) as reference:
        assert await reference.asset("X") is None
    async with told("<html>", 404) as reference:
        with pytest.raises(VenueUnavailable):
            await reference.asset("X")


async def test_the_clock_says_how_far_ours_is_ahead() -> None:
    body = {
        "timestamp": "2026-01-05T09:29:57.5-05:00",
        "is_open": False,
        "next_open": "2026-01-05T09:30:00-05:00",
        "next_close": "2026-01-05T16:00:00-05:00",
    }
    async with told(body) as reference:
        clock = await reference.clock()
        assert clock.skew_seconds == 2.5
        assert clock.next_open == NOW
    async with told({**body, "is_open": "no"}) as reference:
        with pytest.raises(VenueUnavailable):
            await reference.clock()


async def test_the_calendar_is_new_yorks_with_its_half_days() -> None:
    rows = [
        {"date": "2026-11-25", "open": "09:30", "close": "16:00", "session_open": "0400"},
        {"date": "2026-11-27", "open": "09:30", "close": "13:00"},
    ]
    span = Span(date(2026, 11, 25), date(2026, 11, 27))
    async with told(rows) as reference:
        whole, half = (await reference.calendar(span)).sessions
        assert whole.open == datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
        assert whole.close - whole.open == timedelta(hours=6, minutes=30)
        assert (half.early_close, whole.early_close) == (True, False)
    async with told([{"date": "2026-11-25"}]) as reference:
        with pytest.raises(VenueUnavailable):
            await reference.calendar(span)


async def test_a_refusal_is_told() -> None:
    async with told({"code": 40010001, "message": "invalid date"}, 422) as reference:
        with pytest.raises(VenueRejected, match="invalid date"):
            await reference.clock()
