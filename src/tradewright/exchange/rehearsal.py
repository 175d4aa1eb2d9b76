"""The rehearsal's own paths, which no vendor has: where the replay stands, moving it, its log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final, NoReturn

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from tradewright.core.errors import InvalidInput
from tradewright.exchange.exchange import Exchange
from tradewright.exchange.hub import TRADE_UPDATES
from tradewright.exchange.pace import Pace
from tradewright.exchange.web import answer, body_of, count, exchange_of
from tradewright.exchange.words import BROKEN_RULE, UNPROCESSABLE, Refused, moment, read_moment

_LINES: Final = 100
_MOST_LINES: Final = 10_000
_MOST_EVENTS: Final = 10_000_000
_WAYS: Final = "to (an RFC 3339 time), seconds, or events"


async def _status(request: Request) -> Response:
    return answer(_standing(exchange_of(request), pace_of(request)))


async def _advance(request: Request) -> Response:
    exchange = exchange_of(request)
    body = await body_of(request)
    events = body.get("events")
    if events is None:
        position = _whole(body, "position")
        exchange.advance(_target(exchange, body), position)
    else:
        if {"to", "seconds", "position"} & {name for name in body if body[name] is not None}:
            _refuse(f"give one of {_WAYS}")
        for _ in range(_whole(body, "events") or 0):
            upcoming = exchange.market.next_at
            if upcoming is None:
                break
            exchange.advance(upcoming, exchange.market.position + 1)
    await exchange.kept()
    return answer(_standing(exchange, pace_of(request)))


async def _pace(request: Request) -> Response:
    body = await body_of(request)
    speed, paused = body.get("speed"), body.get("paused")
    if isinstance(speed, int | Decimal) and not isinstance(speed, bool):
        speed = str(speed)
    if not isinstance(speed, str | None) or not isinstance(paused, bool | None):
        _refuse("speed must be a number, max or step, and paused true or false")
    pace = pace_of(request)
    try:
        pace.change(speed, paused=paused)
    except InvalidInput as error:
        raise Refused(UNPROCESSABLE, BROKEN_RULE, str(error)) from error
    return answer(_standing(exchange_of(request), pace))


async def _reset(request: Request) -> Response:
    exchange = exchange_of(request)
    exchange.reset()
    pace = pace_of(request)
    # A replay that had ended stood still, and has begun anew.
    pace.change()
    return answer(_standing(exchange, pace))


async def _log(request: Request) -> Response:
    text = request.query_params.get("after") or "0"
    if not text.isascii() or not text.isdigit():
        _refuse(f"invalid after: {text} is not the number of an event")
    limit = count(request.query_params, "limit", _LINES, _MOST_LINES)
    return answer(exchange_of(request).events.read(int(text), limit))


def pace_of(request: Request) -> Pace:
    """Return what moves the market that is served."""
    pace = request.app.state.pace
    assert isinstance(pace, Pace)  # noqa: S101 - set by create_app
    return pace


def _target(exchange: Exchange, body: Mapping[str, Any]) -> datetime:
    to, seconds = body.get("to"), body.get("seconds")
    if (to is None) == (seconds is None):
        _refuse(f"to is required: give one of {_WAYS}")
    if to is not None:
        if not isinstance(to, str):
            _refuse("to must be an RFC 3339 time")
        return read_moment(to, "to")
    if isinstance(seconds, bool) or not isinstance(seconds, int | Decimal) or seconds < 0:
        _refuse("seconds must be a number of at least 0")
    try:
        return exchange.market.now + timedelta(seconds=float(seconds))
    except OverflowError as error:
        message = f"invalid seconds: {seconds} is too far away"
        raise Refused(UNPROCESSABLE, BROKEN_RULE, message) from error


def _whole(body: Mapping[str, Any], field: str) -> int | None:
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _MOST_EVENTS:
        _refuse(f"{field} must be a number of events")
    return value


def _refuse(message: str) -> NoReturn:
    raise Refused(UNPROCESSABLE, BROKEN_RULE, message)


def _standing(exchange: Exchange, pace: Pace) -> dict[str, object]:
    market = exchange.market
    upcoming = market.next_at
    return {
        "now": moment(market.now),
        "next": None if upcoming is None else moment(upcoming),
        "position": market.position,
        "events": exchange.hub.published[TRADE_UPDATES],
        "done": market.done,
        "session": None if market.session is None else market.session.date.isoformat(),
        "speed": pace.speed,
        "paused": pace.paused,
        "logged": len(exchange.events),
    }


ROUTES: Final[Sequence[BaseRoute]] = (
    Route("/rehearsal/status", _status),
    Route("/rehearsal/advance", _advance, methods=["POST"]),
    Route("/rehearsal/pace", _pace, methods=["POST"]),
    Route("/rehearsal/reset", _reset, methods=["POST"]),
    Route("/rehearsal/log", _log),
)
