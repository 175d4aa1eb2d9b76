"""The wire under a request: closing it without an answer, breaking it off, or saying nothing.

ASGI has no word for a connection that dies, so the server must say by which exchange of bytes a
request came: `Wire` is the server's protocol with that one fact added. Closing is done when the
server itself has noticed, so that it does not answer 500 for an application that never answered.
"""

from __future__ import annotations

import socket
import struct
from datetime import timedelta
from email.utils import format_datetime, parsedate_to_datetime
from typing import Final
from weakref import ref

from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from tradewright.core.errors import ConfigError

_EXTENSION: Final = "tradewright.wire"
_DATE: Final = b"date"
_LINGER_NOT: Final = struct.pack("ii", 1, 0)


class Wire(HttpToolsProtocol):
    """uvicorn's HTTP protocol, which tells the application how each request came."""

    def on_headers_complete(self) -> None:
        """Begin a request, and say how it came."""
        super().on_headers_complete()
        # A handshake of a stream has none: another protocol goes on with it.
        if isinstance(self.cycle, RequestResponseCycle):
            # It knows its scope: held by that too, each request would be left to the collector.
            self.scope["extensions"] = {_EXTENSION: {"cycle": ref(self.cycle)}}


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
