"""The rehearsal exchange as a web application: the vendor's paths and answers.

Routes have no rules: they read a request, ask the market and write the answer. The market is
touched on the event loop alone and never across an await, so that every request sees it whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, Request, Response, WebSocket
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from tradewright.exchange import account, lists
from tradewright.exchange.market import ReplayMarket
from tradewright.exchange.pace import keep_pace
from tradewright.exchange.streams import Subscription
from tradewright.exchange.words import (
    BAD_REQUEST,
    BROKEN_RULE,
    MISSING,
    NOT_TRADABLE,
    UNPROCESSABLE,
    Refused,
    moment,
    read_moment,
)

KEY_HEADER: Final = "APCA-API-KEY-ID"
SECRET_HEADER: Final = "APCA-API-SECRET-KEY"  # noqa: S105 - a header's name
_UNAUTHORIZED: Final = 401
_FAILED: Final = 500
_NO_KEYS: Final = (
    "<html>\n<head><title>401 Authorization Required</title></head>\n<body>\n"
    "<center><h1>401 Authorization Required</h1></center>\n</body>\n</html>\n"
)


def create_app(
    market: ReplayMarket, *, key: str, secret: str, speed: float | None = None
) -> FastAPI:
    """Serve `market` to who shows `key` and `secret`.

    With a `speed` the market moves by itself, that many times faster than real time; without,
    it moves by `POST /rehearsal/advance` alone.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        pacing = asyncio.create_task(keep_pace(market, speed)) if speed else None
        yield
        if pacing is not None:
            pacing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await pacing

    app = FastAPI(title="Rehearsal exchange", lifespan=lifespan, openapi_url=None)
    app.state.market = market
    app.state.keys = (key, secret)
    app.add_exception_handler(_NotAuthorized, _not_authorized)
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(HTTPException, _no_such_path)
    app.add_exception_handler(Exception, _failed)
    app.include_router(_trading)
    app.include_router(_rehearsal)

    @app.websocket("/stream")
    async def stream(socket: WebSocket) -> None:
        await Subscription(socket, key, secret).run(market)

    return app


class _NotAuthorized(Exception):
    pass


def _authorized(request: Request) -> None:
    given = (request.headers.get(KEY_HEADER, ""), request.headers.get(SECRET_HEADER, ""))
    expected = request.app.state.keys
    pairs = zip(given, expected, strict=True)
    if not all(hmac.compare_digest(a.encode(), b.encode()) for a, b in pairs):
        raise _NotAuthorized


def _not_authorized(request: Request, _error: Exception) -> Response:
    # Without keys the vendor's proxy answers before its API does, and in HTML.
    if KEY_HEADER not in request.headers or SECRET_HEADER not in request.headers:
        return HTMLResponse(_NO_KEYS, _UNAUTHORIZED)
    return JSONResponse({"message": "unauthorized."}, _UNAUTHORIZED)


def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - registered for Refused alone
    return JSONResponse(dict(error.body), error.status)


def _no_such_path(_request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else _FAILED
    message = "endpoint not found" if status == MISSING else "method not allowed"
    return JSONResponse({"code": status * 100_000, "message": message}, status)


def _failed(_request: Request, _error: Exception) -> Response:
    return JSONResponse({"code": 50010000, "message": "internal server error"}, _FAILED)


def _market(request: Request) -> ReplayMarket:
    market = request.app.state.market
    assert isinstance(market, ReplayMarket)  # noqa: S101 - set by create_app
    return market


async def _body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(await request.body(), parse_float=Decimal)
    except ValueError as error:
        raise Refused(400, BAD_REQUEST, "request body format is invalid") from error
    if not isinstance(body, dict):
        raise Refused(400, BAD_REQUEST, "request body format is invalid")
    return body


Market = Annotated[ReplayMarket, Depends(_market)]
_trading = APIRouter(prefix="/v2", dependencies=[Depends(_authorized)])
_rehearsal = APIRouter(prefix="/rehearsal", dependencies=[Depends(_authorized)])


@_trading.get("/account")
async def _account(market: Market) -> Response:
    return JSONResponse(account.account(market))


@_trading.get("/account/activities/{kind}")
async def _activities(market: Market, request: Request, kind: str) -> Response:
    if kind != "FILL":
        message = f"activities of type {kind} are not supported by this exchange"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message)
    return JSONResponse(lists.executions(market, request.query_params))


@_trading.get("/assets")
async def _assets(market: Market) -> Response:
    return JSONResponse(account.assets(market))


@_trading.get("/assets/{name}")
async def _asset(market: Market, name: str) -> Response:
    return JSONResponse(account.asset(market, name))


@_trading.get("/clock")
async def _clock(market: Market) -> Response:
    return JSONResponse(account.clock(market))


@_trading.get("/calendar")
async def _calendar(market: Market, start: str | None = None, end: str | None = None) -> Response:
    return JSONResponse(account.calendar(market, start, end))


@_trading.get("/positions")
async def _positions(market: Market) -> Response:
    return JSONResponse(account.positions(market))


@_trading.get("/positions/{name}")
async def _position(market: Market, name: str) -> Response:
    return JSONResponse(account.position(market, name))


@_trading.delete("/positions")
@_trading.delete("/positions/{name}")
async def _close() -> Response:
    message = "closing positions is not supported by this exchange; send an order"
    raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)


@_trading.post("/orders")
async def _submit(market: Market, request: Request) -> Response:
    return JSONResponse(market.submit(await _body(request)))


@_trading.get("/orders")
async def _orders(market: Market, request: Request) -> Response:
    return JSONResponse(lists.orders(market, request.query_params))


@_trading.delete("/orders")
async def _cancel_all(market: Market) -> Response:
    tickets = list(market.open_tickets())
    for ticket in tickets:
        market.cancel(ticket)
    return JSONResponse([{"id": ticket.id, "status": 200} for ticket in tickets], 207)


@_trading.get("/orders:by_client_order_id")
async def _order_of_client(market: Market, client_order_id: str = "") -> Response:
    return JSONResponse(market.ticket_of_client(client_order_id).body())


@_trading.get("/orders/{order}")
async def _order(market: Market, order: str) -> Response:
    return JSONResponse(market.ticket(order).body())


@_trading.patch("/orders/{order}")
async def _replace(market: Market, order: str) -> Response:
    market.ticket(order)
    message = "replacing orders is not supported by this exchange; cancel and send another"
    raise Refused(UNPROCESSABLE, NOT_TRADABLE, message)


@_trading.delete("/orders/{order}")
async def _cancel(market: Market, order: str) -> Response:
    market.cancel(market.ticket(order))
    return Response(status_code=204)


@_rehearsal.get("/status")
async def _status(market: Market) -> Response:
    return JSONResponse(_standing(market))


@_rehearsal.post("/advance")
async def _advance(market: Market, request: Request) -> Response:
    body = await _body(request)
    to, position = body.get("to"), body.get("position")
    if not isinstance(to, str):
        raise Refused(UNPROCESSABLE, BROKEN_RULE, "to is required: an RFC 3339 time")
    if position is not None and not isinstance(position, int):
        raise Refused(UNPROCESSABLE, BROKEN_RULE, "position must be a number of events")
    market.advance(read_moment(to, "to"), position)
    return JSONResponse(_standing(market))


def _standing(market: ReplayMarket) -> dict[str, object]:
    upcoming = market.next_at
    return {
        "now": moment(market.now),
        "next": None if upcoming is None else moment(upcoming),
        "position": market.position,
        "events": market.published,
        "done": market.done,
    }
