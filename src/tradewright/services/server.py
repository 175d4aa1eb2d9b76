"""The web server of a service: TLS with certificates that may change, patience that ends.

A request's scope says which certificate its client showed, as DER bytes under
`extensions.tls.client_certificate`; whether it is good is for the doors to say. After SIGTERM no
connection is taken, what is being answered is answered, and within ten seconds all is over. SIGHUP
reads the settings anew, unless it may come from a terminal that hangs up: then it ends the process.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import signal
import ssl
import threading
from asyncio import TimerHandle, Transport
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from tradewright.core.errors import ConfigError, TradewrightError
from tradewright.ops.logging import logger
from tradewright.ops.serving import PortServer, run
from tradewright.services.peer_socket import (
    HEADERS,
    LINE_BYTES,
    MESSAGE_BYTES,
    PeerSocket,
    fits_handshake,
)
from tradewright.wire.problem import PROBLEM_TYPE, problem_type

if TYPE_CHECKING:
    from tradewright.bootstrap import Settings

STOP_SECONDS: Final = 9.5
GRACE_SECONDS: Final = 5
"""How long requests that are being answered may take once the service is told to stop."""
IDLE_SECONDS: Final = 30
HEAD_SECONDS: Final = 10.0
HEAD_BYTES: Final = 32_768
LINGER_SECONDS: Final = 1.0
HANGUP: Final = "signal:SIGHUP"
"""Who the audit log says read the settings anew, when a signal asked for it."""
_LOOK_TICKS: Final = 50
_log: Final = logger(__name__)


class PeerProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which waits for a request's head so long and no longer, and shows TLS."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]
        """Take a connection, and note what its client showed."""
        super().connection_made(transport)
        secured = transport.get_extra_info("ssl_object")
        shown = secured.getpeercert(binary_form=True) if secured is not None else None
        self._extensions: dict[str, Any] = {"tls": {"client_certificate": shown}} if shown else {}
        self._head_bytes = 0
        self._has_head = False
        self._refused = False
        self._patience: TimerHandle | None = None
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of a connection."""
        self._head_is_there()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to read a request's head."""
        super().on_message_begin()
        self._head_bytes = 0
        self._has_head = False
        if self._patience is None:
            self._wait_for_head()

    def on_url(self, url: bytes) -> None:
        """Read a part of the path."""
        self._head_bytes += len(url)
        if self._fits():
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Read a header."""
        self._head_bytes += len(name) + len(value)
        # What follows a body in chunks would pass for a header that a proxy before us set.
        if self._fits() and not self._has_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to serve a request, and say how it came."""
        self._head_is_there()
        self._has_head = True
        if self._fits():
            if self._extensions:
                self.scope["extensions"] = self._extensions
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Read a part of the body."""
        if self._fits():
            super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request, or refuse the one whose head was too large."""
        if self._fits():
            super().on_message_complete()

    def data_received(self, data: bytes) -> None:
        """Read what has come; a head that is too large is answered once and for all."""
        if self._refused:
            return
        super().data_received(data)
        if not self._fits() and not self.transport.is_closing():
            self._refuse(431, "headers_too_large", f"A head has at most {HEAD_BYTES} bytes.")

    def handle_websocket_upgrade(self) -> None:
        """Hand the connection over to a socket, unless its head cannot be one's."""
        if not self._fits():
            return
        if fits_handshake(self.headers, self.url):
            super().handle_websocket_upgrade()
            return
        what = f"A handshake has at most {HEADERS} headers of {LINE_BYTES} bytes."
        self._refuse(431, "headers_too_large", what)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._refuse(400, "malformed", msg)

    def _fits(self) -> bool:
        return self._head_bytes <= HEAD_BYTES

    def _refuse(self, status: int, code: str, detail: str) -> None:
        body = {
            "type": problem_type(code),
            "title": "The request cannot be read.",
            "status": status,
            "detail": detail,
            "code": code,
            "trace_id": None,
        }
        content = json.dumps(body).encode()
        head = [
            b"content-type: " + PROBLEM_TYPE.encode(),
            b"content-length: " + str(len(content)).encode(),
            *(b"x-content-type-options: nosniff", b"x-frame-options: DENY"),
            *(b"content-security-policy: default-src 'none'; frame-ancestors 'none'",),
            *(b"cache-control: no-store", b"connection: close"),
        ]
        self.transport.write(STATUS_LINE[status] + b"\r\n".join(head) + b"\r\n\r\n" + content)
        self._refused = True
        # Closing at once, with more on its way, would reset the line and take the answer with it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._head_is_there()
        self._patience = self.loop.call_later(LINGER_SECONDS, self._give_up)

    def _wait_for_head(self) -> None:
        # Who opens connections and says nothing, or a byte a minute, must not keep them.
        self._patience = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _head_is_there(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self.transport.close()


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where a service's certificate and key are, and the authority of its clients if any."""

    certificate: Path
    key: Path
    authority: Path | None = None

    def stamp(self) -> tuple[tuple[int, int], ...]:
        """Return what changes when one of the files does; empty while one is not there."""
        try:
            facts = [path.stat() for path in (self.certificate, self.key, self.authority) if path]
        except OSError:
            return ()
        return tuple((fact.st_mtime_ns, fact.st_ino) for fact in facts)

    def context(self) -> ssl.SSLContext:
        """Make a TLS context; clients may show a certificate of the authority and need not.

        Raises:
            ConfigError: A file cannot be read, or certificate and key are not a pair.
        """
        made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.minimum_version = ssl.TLSVersion.TLSv1_2
        self.load(made)
        return made

    def load(self, context: ssl.SSLContext) -> None:
        """Let new connections of a context have what the files hold now.

        Raises:
            ConfigError: A file cannot be read, or certificate and key are not a pair.
        """
        try:
            # Without a password an encrypted key is an error, and not a question at a terminal.
            context.load_cert_chain(self.certificate, self.key, password=lambda: b"")
            if self.authority is not None:
                context.load_verify_locations(self.authority)
                context.verify_mode = ssl.CERT_OPTIONAL
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"TLS_CERT_PATH {self.certificate} and TLS_KEY_PATH {self.key} cannot be used: "
                f"{getattr(error, 'reason', None) or getattr(error, 'strerror', None) or error}",
                "give a PEM chain, the key that belongs to it, and read permission",
            ) from error


class ServiceServer(PortServer):
    """A service on its own port; port 0 takes any that is free."""

    def __init__(
        self,
        app: Starlette,
        host: str,
        port: int,
        *,
        tls: TlsFiles | None = None,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Take the port; `ready` is told the address once requests are answered.

        Raises:
            ConfigError: The port is in use, the host is not this machine's, or the certificate
                cannot be used.
        """
        context = tls.context() if tls else None
        config = uvicorn.Config(
            app,
            http=PeerProtocol,
            ws=PeerSocket,
            ws_max_size=MESSAGE_BYTES,
            ws_per_message_deflate=False,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
            ssl_context_factory=(lambda _config, _make: context) if context else None,
        )
        super().__init__(config, host, port, ready=ready)
        self._app = app
        self._tls = tls
        self._context = context
        self._stamp = tls.stamp() if tls else ()
        self._reloading: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Open what the service works with, serve until told to stop, and close it.

        Raises:
            ConfigError: What it works with cannot be opened; nothing was served.
        """
        # Not by the server's own protocol, which turns the reason of a failure into a traceback.
        try:
            with self.capture_signals(), self._hangups():
                async with self._app.router.lifespan_context(self._app):
                    await super().listen()
        finally:
            self._listener.close()

    def signalled(self) -> None:
        """Stop because a signal says so; what does not end by itself is ended."""
        if not self.should_exit:
            asyncio.get_running_loop().call_later(STOP_SECONDS, _leave)
        super().signalled()

    @contextmanager
    def _hangups(self) -> Iterator[None]:
        in_main = threading.current_thread() is threading.main_thread()
        ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
        if not in_main or ignored or os.isatty(0):
            yield
            return
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._hung_up)
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)

    def _hung_up(self) -> None:
        reloading = asyncio.get_running_loop().create_task(self._reload(), name="reload settings")
        self._reloading.add(reloading)
        reloading.add_done_callback(self._reloading.discard)

    async def _reload(self) -> None:
        again = getattr(self._app.state, "reload", None)
        if again is None:
            _log.warning("the service is not up yet, so there is nothing to read anew")
            return
        try:
            await again(HANGUP)
        except TradewrightError as error:
            # Nobody waits for an answer to a signal.
            _log.error("the settings were not read anew", reason=str(error))

    async def on_tick(self, counter: int) -> bool:
        """Say whether to stop, and look every few seconds whether the certificate changed."""
        if self._tls is not None and counter % _LOOK_TICKS == 0:
            self.reload()
        return await super().on_tick(counter)

    def reload(self) -> bool:
        """Take up a changed certificate; say whether it was. A bad one leaves the last in use."""
        tls, context = self._tls, self._context
        if tls is None or context is None:
            return False
        stamp = tls.stamp()
        if stamp in {self._stamp, ()}:
            return False
        try:
            # Tried apart first: a pair that does not fit must not get half into use.
            tls.context()
            tls.load(context)
        except ConfigError as error:
            _log.error(
                "the changed certificate cannot be used; the last one stays", reason=str(error)
            )
            return False
        self._stamp = stamp
        _log.info("the changed certificate is in use")
        return True


def _leave() -> None:
    _log.critical("the service did not stop in time and is ended", seconds=STOP_SECONDS)
    logging.shutdown()
    os._exit(1)


def tls_files(settings: Settings) -> TlsFiles | None:
    """Return the files of the settings; None without TLS."""
    if settings.tls_cert_path is None or settings.tls_key_path is None:
        return None
    authority = settings.ca_certificate
    # One that a setting names must be there; our own only once it has been made.
    if settings.killswitch_ca_cert_path is None and not authority.exists():
        return TlsFiles(settings.tls_cert_path, settings.tls_key_path)
    return TlsFiles(settings.tls_cert_path, settings.tls_key_path, authority)


def serve(
    app: Starlette,
    host: str,
    port: int,
    *,
    tls: TlsFiles | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM; the process is the service's own from here on.

    Raises:
        ConfigError: The port or the certificate cannot be used.
    """
    run(ServiceServer(app, host, port, tls=tls, ready=ready))
