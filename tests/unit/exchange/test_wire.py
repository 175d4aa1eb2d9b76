"""Answers on the wire: in one piece where they are all there, and framed as ever where not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tradewright.exchange.server import ExchangeServer

HELLO = b'{"hello":"there"}'
JSON = (b"content-type", b"application/json")


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(part: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": part, "more_body": more}


def length(of: bytes) -> tuple[bytes, bytes]:
    return b"Content-Length", str(len(of)).encode()


def saying(*messages: Message, fails: bool = False) -> ASGIApp:
    """An application that answers every request so, and then breaks if it `fails`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while (message := await receive())["type"] == "lifespan.startup":
                await send({"type": f"{message['type']}.complete"})
            await send({"type": "lifespan.shutdown.complete"})
            return
        for message in messages:
            await send(message)
        if fails:
            raise RuntimeError("broken in the middle of an answer")

    return app


@contextlib.contextmanager
def served(app: ASGIApp) -> Iterator[int]:
    ready = threading.Event()
    server = ExchangeServer(app, port=0, ready=lambda _url: ready.set())
    thread = threading.Thread(target=lambda: asyncio.run(server.listen()))
    thread.start()
    try:
        assert ready.wait(10)
        yield int(server.url.rpartition(":")[2])
    finally:
        server.stop()
        thread.join(10)


def pieces(port: int, request: bytes) -> list[bytes]:
    """What the server sends until it closes the connection, read by read."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(request)
        found = []
        while part := line.recv(1 << 16):
            found.append(part)
        return found


def ask(method: bytes = b"GET", *headers: bytes, close: bool = True) -> bytes:
    last = (b"connection: close",) if close else ()
    return b"\r\n".join([method + b" / HTTP/1.1", b"host: it", *headers, *last, b"", b""])


def test_an_answer_that_is_all_there_is_one_piece() -> None:
    with (
        served(saying(start(length(HELLO), JSON), body(HELLO))) as port,
        socket.create_connection(("127.0.0.1", port), timeout=20) as line,
    ):
        for _ in range(20):
            line.sendall(ask(close=False))
            answer = line.recv(1 << 16)
            head, _, rest = answer.partition(b"\r\n\r\n")
            lines = head.split(b"\r\n")
            assert (lines[0], rest) == (b"HTTP/1.1 200 OK", HELLO)
            told = dict(line_.split(b": ", 1) for line_ in lines[1:])
            assert told.keys() == {b"date", b"server", b"content-type", b"content-length"}
            assert told[b"content-length"] == b"17"


def test_requests_sent_at_once_are_answered_in_order() -> None:
    with served(saying(start(length(HELLO), JSON), body(HELLO))) as port:
        said = b"".join(pieces(port, ask(close=False) * 3 + ask()))
    assert said.count(b"HTTP/1.1 200 OK") == said.count(HELLO) == 4


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("messages", "status", "said"),
    [
        ([start(length(HELLO)), body(HELLO)], 200, HELLO),
        ([start(length(HELLO)), body(HELLO[:5], more=True), body(HELLO[5:])], 200, HELLO),
        ([start(JSON), body(HELLO)], 200, HELLO),
        ([start(JSON), body(HELLO[:5], more=True), body(HELLO[5:])], 200, HELLO),
        ([start((b"transfer-encoding", b"chunked")), body(HELLO)], 200, HELLO),
        ([start(length(HELLO), (b"Connection", b"close")), body(HELLO)], 200, HELLO),
        ([start(status=204), body(b"")], 204, b""),
        ([start(length(b""), status=404), body(b"")], 404, b""),
        ([start(length(HELLO), status=418), body(HELLO)], 418, HELLO),
    ],
)
def test_every_way_to_frame_an_answer_is_understood(
    method: str, messages: list[Message], status: int, said: bytes
) -> None:
    with served(saying(*messages)) as port:
        client = HTTPConnection("127.0.0.1", port, timeout=20)
        for _ in range(2):
            client.request(method, "/")
            answer = client.getresponse()
            assert (answer.status, answer.read()) == (status, b"" if method == "HEAD" else said)
        client.close()


@pytest.mark.parametrize(
    "messages",
    [
        [start(length(HELLO)), body(HELLO + b"more")],
        [start((b"x-bad", b"one\r\ntwo"), length(HELLO)), body(HELLO)],
        [start((b"bad name", b"one"), length(HELLO)), body(HELLO)],
    ],
)
def test_an_answer_that_is_not_as_it_says_is_not_sent(messages: list[Message]) -> None:
    with served(saying(*messages)) as port:
        said = b"".join(pieces(port, ask(close=False)))
    assert HELLO not in said
    assert b"one" not in said


def test_an_answer_that_is_too_short_is_cut_off_there() -> None:
    with served(saying(start(length(HELLO + b"more")), body(HELLO))) as port:
        said = b"".join(pieces(port, ask(close=False)))
    assert said.endswith(b"content-length: 21\r\n\r\n" + HELLO)


def test_an_application_that_breaks_before_a_body_says_nothing_of_its_head() -> None:
    with served(saying(start(length(HELLO), JSON), fails=True)) as port:
        assert b"200 OK" not in b"".join(pieces(port, ask(close=False)))


def test_an_application_that_only_breaks_is_answered_for() -> None:
    with served(saying(fails=True)) as port:
        said = b"".join(pieces(port, ask(close=False)))
    assert said.startswith(b"HTTP/1.1 500 Internal Server Error\r\n")


def test_who_has_been_answered_is_not_told_to_continue() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await saying(start(length(HELLO)), body(HELLO))(scope, receive, send)
        if scope["type"] == "http":
            assert (await receive())["type"] == "http.disconnect"

    with served(app) as port, socket.create_connection(("127.0.0.1", port), timeout=20) as line:
        line.sendall(ask(b"POST", b"expect: 100-continue", b"content-length: 5", close=False))
        said = b""
        while HELLO not in said:
            said += line.recv(1 << 16)
        line.settimeout(0.3)
        with contextlib.suppress(TimeoutError):
            said += line.recv(1 << 16)
    assert said.endswith(HELLO)
    assert b"Continue" not in said
