"""The wire under a request: closing it without an answer, breaking it off, or saying nothing.

ASGI has no word for a connection that dies, so the server must say by which exchange of bytes a
request came: `Wire` is the server's protocol with that one fact added. Closing is done when the
server itself has noticed, so that it does not answer 500 for an application that never answered.

An answer that is all there goes out in one piece. The server's own protocol writes its head and
its body apart: that is one call of the system more, and wakes the client twice.
"""

from __future__ import annotations

import socket
import struct
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from weakref import ref

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
    RequestResponseCycle,
)

from tradewright.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from uvicorn._types import ASGISendEvent

_EXTENSION: Final = "tradewright.wire"
_START: Final = "http.response.start"
_DATE: Final = b"date"
_LENGTH: Final = b"content-length"
# What says how an answer is framed is left to the server's own protocol.
_FRAMING: Final = frozenset({b"connection", b"transfer-encoding"})
_BODILESS: Final = frozenset({204, 304})
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Wire(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which tells the application how each request came."""

    def on_headers_complete(self) -> None:
        """Begin a request, and say how it came."""
        super().on_headers_complete()
        # A handshake of a stream has none: another protocol goes on with it.
        cycle = self.cycle
        if isinstance(cycle, RequestResponseCycle):
            cycle.__class__ = Cycle
            # It knows its scope: held by that too, each request would be left to the collector.
            self.scope["extensions"] = {_EXTENSION: {"cycle": ref(cycle)}}


class Cycle(RequestResponseCycle):
    """A request and its answer, of which the head is kept back until there is a body."""

    _start: ASGISendEvent | None = None

    async def send(self, message: ASGISendEvent) -> None:
        """Send a part of the answer; head and body at once where that is all of it."""
        if message["type"] == _START and not self.response_started:
            self._start, self.response_started = message, True
            return
        start, self._start = self._start, None
        if start is not None:
            whole = self._whole(start, message)
            if whole is not None:
                self.transport.write(whole)
                self.waiting_for_100_continue = False
                self.response_complete = True
                self.message_event.set()
                self.on_response()
                return
            self.response_started = False
            await super().send(start)
        await super().send(message)

    def _whole(self, start: ASGISendEvent, message: ASGISendEvent) -> bytes | None:
        # None for all that is not the plain case.
        if (
            start["type"] != _START
            or message["type"] != "http.response.body"
            or message.get("more_body")
            or not self.keep_alive
            or self.disconnected
            or self.flow.write_paused
            or self.scope["method"] == "HEAD"
        ):
            return None
        status, headers = start["status"], start.get("headers", ())
        if status in _BODILESS:
            return None
        body = message.get("body", b"")
        head = _head(status, (*self.default_headers, *headers), len(body))
        return None if head is None else head + body


def _head(status: int, headers: Iterable[tuple[bytes, bytes]], length: int) -> bytes | None:
    lines, told = [STATUS_LINE[status]], None
    for given, value in headers:
        name = given.lower()
        if name in _FRAMING:
            return None
        if name == _LENGTH:
            told = value
        else:
            lines.append(_line(name, value))
    if told is None or told != b"%d" % length:
        return None
    lines.append(b"content-length: %d\r\n\r\n" % length)
    return b"".join(lines)


@lru_cache(maxsize=256)
def _line(name: bytes, value: bytes) -> bytes:
    if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
        raise ValueError(f"{name!r}: {value!r} cannot be sent as a header")
    return b"%s: %s\r\n" % (name, value)


def shift_date(scope: Scope, skew: timedelta) -> None:
    """Have the answer to a request dated by a clock that is off by `skew`.

    Raises:
        ConfigError: The application is not served over a `Wire`.
    """
    cycle = _cycle(scope)
    cycle.default_headers = [
        (name, _shifted(value, skew) if name == _DATE else value)
        for name, value in cycle.default_headers
    ]


def _shifted(date: bytes, skew: timedelta) -> bytes:
    return format_datetime(parsedate_to_datetime(date.decode()) + skew, usegmt=True).encode()


async def drop(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Close the connection without another byte; with `reset` by a TCP reset.

    Raises:
        ConfigError: The application is not served over a `Wire`.
    """
    transport = _cycle(scope).transport
    if reset:
        # A socket that does not linger is reset by closing it, whatever was read or sent.
        line = transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    transport.abort()
    await gone(receive)


async def break_off(
    scope: Scope, receive: Receive, send: Send, start: Message, part: bytes
) -> None:
    """Send the head of an answer and part of its body, then close the connection.

    Raises:
        ConfigError: The application is not served over a `Wire`.
    """
    transport = _cycle(scope).transport
    await send(start)
    await send({"type": "http.response.body", "body": part, "more_body": True})
    transport.close()
    await gone(receive)


async def gone(receive: Receive) -> None:
    """Wait until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        continue


def _cycle(scope: Scope) -> RequestResponseCycle:
    named = scope.get("extensions", {}).get(_EXTENSION)
    if named is None:
        remedy = "serve the exchange with ExchangeServer"
        raise ConfigError("this server does not let go of its connections", remedy)
    cycle = named["cycle"]()
    assert isinstance(cycle, RequestResponseCycle)  # noqa: S101 - set by Wire
    return cycle
