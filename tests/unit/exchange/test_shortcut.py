"""The way past the routing: what takes it, what does not, and what a request leaves behind."""

from __future__ import annotations

import gc
import json
import socket
from typing import Final

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.unit.exchange.asking import a_body
from tests.unit.exchange.builders import KEY, SECRET, an_exchange, opened, served
from tradewright.exchange.app import KEY_HEADER, SECRET_HEADER, Shortcut
from tradewright.exchange.web import reply

KEYS: Final = {KEY_HEADER: KEY, SECRET_HEADER: SECRET}


class Endpoint:
    """An application that says whether the routing has been by."""

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        """Say it."""
        await reply(send, {"routed": "endpoint" in scope})


async def _asked(request: Request) -> Response:
    return Response(json.dumps({"routed": "endpoint" in request.scope}))


async def test_only_an_application_at_a_fixed_path_is_reached_at_once() -> None:
    routes = [
        Route("/at-once", Endpoint(), methods=["POST"]),
        Route("/by-name/{name}", Endpoint(), methods=["POST"]),
        Route("/function", _asked, methods=["POST"]),
    ]
    app = Shortcut(Starlette(routes=routes), routes)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as client:
        told = {
            path: (await client.post(path)).json()["routed"]
            for path in ("/at-once", "/by-name/x", "/function")
        }
        assert told == {"/at-once": False, "/by-name/x": True, "/function": True}
        assert (await client.get("/at-once")).status_code == 405


def test_an_order_that_was_not_sent_whole_is_not_taken() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    keys = "".join(f"{name}: {value}\r\n" for name, value in KEYS.items())
    with served(exchange) as server:
        url = httpx.URL(server.url)
        with socket.create_connection((url.host, url.port or 0)) as line:
            body = json.dumps(a_body())
            head = (
                f"POST /v2/orders HTTP/1.1\r\nHost: x\r\n{keys}Content-Length: {len(body)}\r\n\r\n"
            )
            line.sendall(f"{head}{body[:-1]}".encode())
        answer = httpx.post(f"{server.url}/v2/orders", headers=KEYS, json=a_body())
    assert answer.status_code == 200
    assert list(exchange.orders.tickets) == [answer.json()["id"]]


def test_what_is_refused_is_said_in_the_words_of_the_vendor() -> None:
    with served(an_exchange()) as server:
        url = f"{server.url}/v2/orders"
        refused = httpx.post(url, headers=KEYS, json=a_body(symbol="ZZZ"))
        garbled = httpx.post(url, headers=KEYS, content=b'["no object"]')
        other = httpx.put(url, headers=KEYS)
    assert (refused.status_code, refused.json()["code"]) == (422, 42210000)
    assert (garbled.status_code, garbled.json()["code"]) == (400, 40010000)
    assert other.status_code == 405


def test_a_request_leaves_nothing_to_the_collector() -> None:
    exchange = an_exchange()
    exchange.advance(opened(1))
    gc.collect()
    gc.disable()
    try:
        with served(exchange) as server, httpx.Client(headers=KEYS) as client:
            for _ in range(20):
                assert client.get(f"{server.url}/v2/clock").status_code == 200
                assert client.post(f"{server.url}/v2/orders", json=a_body()).status_code == 200
            # By its type: to ask what is behind a weak reference may find that nothing is.
            left = sum(type(each) is RequestResponseCycle for each in gc.get_objects())
    finally:
        gc.enable()
    # The last of a connection stays with it until the next comes.
    assert left <= 2
