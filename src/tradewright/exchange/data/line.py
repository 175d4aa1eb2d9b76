"""The line under a stream: a last word to a client that has stopped to read.

ASGI waits for room before it sends, and who takes nothing makes none. So the last word is written
behind what is waiting already, and the line is half closed: the client finds both when it reads
on, whenever that is. What it sends meanwhile is read, since a system that closes a line with
something unread throws away what is under way.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.types import Scope
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

from tradewright.core.errors import ConfigError

_EXTENSION: Final = "tradewright.line"
_LINGER_SECONDS: Final = 300.0


class Line(WebSocketsSansIOProtocol):
    """uvicorn's protocol of websockets, which tells the application how each stream came."""

    def handle_connect(self, event: Request) -> None:
        """Begin a stream, and say how it came."""
        super().handle_connect(event)
        extensions: dict[Any, Any] = self.scope["extensions"]
        extensions[_EXTENSION] = self

    def part(self, frame: str | bytes, code: int, reason: str) -> None:
        """Say a last word and close, behind all that has not been read yet."""
        if self.close_sent or self.transport.is_closing():
            return
        if isinstance(frame, str):
            self.conn.send_text(frame.encode())
        else:
            self.conn.send_binary(frame)
        self.conn.send_close(code, reason)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.close_timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)


def part(scope: Scope, frame: str | bytes, code: int, reason: str) -> None:
    """Say a last word to the client of a stream and close, though it takes nothing.

    Raises:
        ConfigError: The application is not served over a `Line`.
    """
    line = scope.get("extensions", {}).get(_EXTENSION)
    if not isinstance(line, Line):
        remedy = "serve the exchange with ExchangeServer"
        raise ConfigError("this server has no last word for its clients", remedy)
    line.part(frame, code, reason)
