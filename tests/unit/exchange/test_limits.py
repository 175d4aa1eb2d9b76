"""The rate limit: counted by the minute, told in headers, refused in the vendor's words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tradewright.core.clock import ManualClock
from tradewright.exchange.limits import RateLimit

NOON: Final = datetime(2024, 1, 3, 12, tzinfo=UTC)
EPOCH: Final = int(NOON.timestamp())


async def _well(_request: Request) -> Response:
    return Response("well")


def a_client(clock: ManualClock, trading: int = 2, data: int = 1) -> httpx.AsyncClient:
    paths = ("/v2/account", "/v2/stocks/bars", "/rehearsal/status")
    app = Starlette(routes=[Route(path, _well) for path in paths])
    limited = RateLimit(app, clock, trading=trading, data=data)
    return httpx.AsyncClient(transport=httpx.ASGITransport(limited), base_url="http://exchange")


def told(answer: httpx.Response) -> tuple[int, str, str, int]:
    names = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
    limit, left, reset = (answer.headers[name] for name in names)
    return answer.status_code, limit, left, int(reset) - EPOCH


async def test_a_minute_has_so_many_requests_and_begins_with_the_first() -> None:
    clock = ManualClock(NOON)
    async with a_client(clock) as client:
        assert told(await client.get("/v2/account")) == (200, "2", "1", 60)
        clock.advance(timedelta(seconds=59))
        assert told(await client.get("/v2/account")) == (200, "2", "0", 60)
        refused = await client.get("/v2/account")
        assert told(refused) == (429, "2", "0", 60)
        assert refused.json() == {"code": 42910000, "message": "rate limit exceeded"}
        clock.advance(timedelta(seconds=1))
        assert told(await client.get("/v2/account")) == (200, "2", "1", 120)


async def test_market_data_and_trading_are_counted_apart_and_the_rehearsal_is_not() -> None:
    async with a_client(ManualClock(NOON)) as client:
        assert (await client.get("/v2/stocks/bars")).status_code == 200
        refused = await client.get("/v2/stocks/bars")
        assert (refused.status_code, refused.json()) == (429, {"message": "too many requests."})
        assert (await client.get("/v2/account")).status_code == 200
        for _ in range(5):
            answer = await client.get("/rehearsal/status")
            assert answer.status_code == 200
            assert "X-RateLimit-Limit" not in answer.headers
