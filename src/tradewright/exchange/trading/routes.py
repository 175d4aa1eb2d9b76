"""The paths of orders, and of the orders that leave positions: what is asked and answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import Receive, Scope, Send

from tradewright.exchange.exchange import Exchange
from tradewright.exchange.trading import lists
from tradewright.exchange.web import (
    answer,
    body_of,
    exchange_of,
    object_of,
    perform,
    received,
    reply,
    truth,
)
from tradewright.exchange.words import Refused

_MULTI_STATUS: Final = 207


class Submission:
    """The endpoint that most is asked of; it needs nothing of the framework but its messages."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take an order, or say why not."""
        raw = await received(receive)
        if raw is None:
            return
        exchange = scope["app"].state.exchange
        assert isinstance(exchange, Exchange)  # noqa: S101 - set by create_app
        # The fate that a fault script gives to the order is part of the command, kept with it.
        twist = scope.get("state", {}).get("twist")
        try:
            arguments: dict[str, object] = {"body": object_of(raw)}
            if twist:
                arguments["twist"] = twist
            done = exchange.perform("submit", arguments, "" if twist else _said(raw))
        except Refused as refused:
            await reply(send, refused.body, refused.status)
            return
        await exchange.kept()
        await reply(send, done)


def _said(raw: bytes) -> str:
    # The arguments as the client wrote them, if that is a line of ASCII.
    plain = raw.isascii() and b"\n" not in raw and b"\0" not in raw
    return f'{{"body":{raw.decode()}}}' if plain else ""


async def _orders(request: Request) -> Response:
    return answer(lists.orders(exchange_of(request), request.query_params))


async def _cancel_all(request: Request) -> Response:
    return answer(await perform(request, "cancel_all", {}), _MULTI_STATUS)


async def _order_of_client(request: Request) -> Response:
    identity = request.query_params.get("client_order_id", "")
    return answer(exchange_of(request).orders.ticket_of_client(identity).body())


async def _order(request: Request) -> Response:
    ticket = exchange_of(request).orders.ticket(request.path_params["order"])
    nested = truth(request.query_params, "nested")
    return answer(ticket.nested() if nested else ticket.body())


async def _cancel(request: Request) -> Response:
    done = await perform(request, "cancel", {"order": request.path_params["order"]})
    if isinstance(done, dict):
        return answer(done["body"], done["status"])
    return Response(status_code=204)


async def _replace(request: Request) -> Response:
    ticket = exchange_of(request).orders.ticket(request.path_params["order"])
    arguments = {"order": ticket.id, "body": await body_of(request)}
    return answer(await perform(request, "replace", arguments))


async def _close(request: Request) -> Response:
    given = {"symbol": request.path_params["name"], **request.query_params}
    return answer(await perform(request, "close_position", given))


async def _close_all(request: Request) -> Response:
    given = {"cancel_orders": truth(request.query_params, "cancel_orders")}
    return answer(await perform(request, "close_all", given), _MULTI_STATUS)


ROUTES: Final[Sequence[BaseRoute]] = (
    Route("/v2/orders", Submission(), methods=["POST"]),
    Route("/v2/orders", _orders, methods=["GET"]),
    Route("/v2/orders", _cancel_all, methods=["DELETE"]),
    Route("/v2/orders:by_client_order_id", _order_of_client, methods=["GET"]),
    Route("/v2/orders/{order}", _order, methods=["GET"]),
    Route("/v2/orders/{order}", _replace, methods=["PATCH"]),
    Route("/v2/orders/{order}", _cancel, methods=["DELETE"]),
    Route("/v2/positions", _close_all, methods=["DELETE"]),
    Route("/v2/positions/{name:path}", _close, methods=["DELETE"]),
)
