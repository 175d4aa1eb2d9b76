"""The web server's side of a socket: what may come in, and which certificate its client showed.

Messages are not compressed: a secret and what a stranger chose could stand in the same one.
"""

from __future__ import annotations

import logging
from asyncio import BaseTransport
from typing import Any, Final

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request

MESSAGE_BYTES: Final = 65_536
"""What a client may send in one message; a longer one closes the socket with 1009."""
HEADERS: Final = 128
LINE_BYTES: Final = 8_190
"""What the library reads of a handshake; it says nothing to a longer one."""
_quiet: Final = logging.getLogger("tradewright.sockets.server")
# Its lines tell the query of each handshake; ours tell the route.
_quiet.setLevel(logging.WARNING)


class PeerSocket(WebSocketsSansIOProtocol):
    """uvicorn's protocol for sockets, which shows what TLS knows of the client."""

    def connection_made(self, transport: BaseTransport) -> None:
        """Take a connection over once it asks for a socket."""
        super().connection_made(transport)
        self.logger = _quiet
        secured = transport.get_extra_info("ssl_object")
        self._shown = secured.getpeercert(binary_form=True) if secured is not None else None

    def data_received(self, data: bytes) -> None:
        """Read what has come; a handshake that cannot be read is the end."""
        super().data_received(data)
        if not self.handshake_initiated and not self.transport.is_closing():
            self.transport.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\n\r\n")
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """Begin to serve a handshake, and say what its client showed."""
        super().handle_connect(event)
        if self._shown and hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["tls"] = {"client_certificate": self._shown}


def fits_handshake(headers: list[tuple[bytes, bytes]], url: bytes) -> bool:
    """Whether the library reads a handshake with these headers."""
    lines = [len(url) + len("GET  HTTP/1.1"), *(len(n) + len(v) + 2 for n, v in headers)]
    return len(headers) <= HEADERS and max(lines) <= LINE_BYTES
