"""The rehearsal exchange as a web application: who may ask, and what is said when all else fails.

Routes have no rules: they read a request, ask the exchange and write the answer. The exchange is
touched on the event loop alone and never across an await, so that every request sees it whole.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Final

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from tradewright.core.clock import SystemClock
from tradewright.exchange import rehearsal
from tradewright.exchange.account import routes as portfolio
from tradewright.exchange.data import routes as market_data
from tradewright.exchange.data.stream import DataStreams
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.faults import routes as fault_routes
from tradewright.exchange.faults.injection import FaultInjection
from tradewright.exchange.keys import Keys
from tradewright.exchange.limits import RateLimit
from tradewright.exchange.pace import STEP, Pace
from tradewright.exchange.streams import TradeStream
from tradewright.exchange.trading import routes as trading
from tradewright.exchange.web import answer
from tradewright.exchange.words import MISSING, Refused

KEY_HEADER: Final = "APCA-API-KEY-ID"
SECRET_HEADER: Final = "APCA-API-SECRET-KEY"  # noqa: S105 - a header's name
_KEY: Final = KEY_HEADER.lower().encode()
_SECRET: Final = SECRET_HEADER.lower().encode()
_UNAUTHORIZED: Final = 401
_FAILED: Final = 500
_NO_KEYS: Final = (
    "<html>\n<head><title>401 Authorization Required</title></head>\n<body>\n"
    "<center><h1>401 Authorization Required</h1></center>\n</body>\n</html>\n"
)


def create_app(
    exchange: Exchange,
    *,
    key: str,
    secret: str,
    speed: str = STEP,
    nights: bool = True,
    one_stream: bool = False,
    per_minute: int | None = None,
) -> Starlette:
    """Serve `exchange` to who shows `key` and `secret`.

    With a `speed` the market moves by itself, that many times faster than real time, through the
    nights if told; without, by `POST /rehearsal/advance` alone. With `one_stream` a second
    connection to the stream of trade updates is refused with 429, as the vendor does, and with
    `per_minute` so are more requests a minute than that.
    """
    exchange.keys.issue(key, secret)

    pace = Pace(exchange, speed, nights=nights)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        pacing = asyncio.create_task(pace.run())
        yield
        pacing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await pacing

    trade_stream = TradeStream(exchange, one_stream=one_stream)
    app = Starlette(
        routes=[
            *trading.ROUTES,
            *portfolio.ROUTES,
            *rehearsal.ROUTES,
            *fault_routes.ROUTES,
            *market_data.ROUTES,
            WebSocketRoute("/stream", trade_stream.serve),
            *DataStreams(exchange).routes(),
        ],
        lifespan=lifespan,
        exception_handlers={
            Refused: _refused,
            HTTPException: _no_such_path,
            Exception: _failed,
        },
    )
    app.state.exchange = exchange
    app.state.pace = pace
    app.add_middleware(Shortcut, routes=app.routes)
    if per_minute is not None:
        clock = SystemClock()
        app.add_middleware(RateLimit, clock=clock, trading=per_minute, data=per_minute)
    app.add_middleware(Authorization, keys=exchange.keys)
    if exchange.faults is not None:
        app.add_middleware(FaultInjection, exchange=exchange)
    return app


class Authorization:
    """Answers requests without the right keys; sockets say who they are by themselves."""

    def __init__(self, app: ASGIApp, keys: Keys) -> None:
        """Stand before `app`."""
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what may pass."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = dict(scope["headers"])
        key, secret = given.get(_KEY), given.get(_SECRET)
        if key is None or secret is None:
            # Without keys the vendor's proxy answers before its API does, and in HTML.
            await HTMLResponse(_NO_KEYS, _UNAUTHORIZED)(scope, receive, send)
        elif not self._keys.admits(key, secret):
            await answer({"message": "unauthorized."}, _UNAUTHORIZED)(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class Shortcut:
    """Takes a request past the routing where its endpoint is an application at a fixed path.

    Such an endpoint gets no request object, and no handler of errors sees what it raises.
    """

    def __init__(self, app: ASGIApp, routes: Iterable[BaseRoute]) -> None:
        """Stand before `app`, which has these routes."""
        self._app = app
        self._endpoints: dict[tuple[str, str], ASGIApp] = {
            (method, route.path): route.endpoint
            for route in routes
            if isinstance(route, Route) and route.app is route.endpoint
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on what has no endpoint of that kind."""
        named = scope.get("method", ""), scope.get("path", "")
        await self._endpoints.get(named, self._app)(scope, receive, send)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - registered for Refused alone
    return answer(dict(error.body), error.status)


def _no_such_path(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else _FAILED
    message = "endpoint not found" if status == MISSING else "method not allowed"
    return answer({"code": status * 100_000, "message": message}, status)


def _failed(_request: Request, _error: Exception) -> Response:
    return answer({"code": 50010000, "message": "internal server error"}, _FAILED)
