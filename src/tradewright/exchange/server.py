"""The web server of the exchange: it owns its port before it says that it listens."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
import uvloop
from starlette.types import ASGIApp

from tradewright.core.errors import ConfigError
from tradewright.exchange.faults.wire import Wire

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 128
_GRACE_SECONDS: Final = 2
_YOUNG: Final = 50_000


class ExchangeServer(uvicorn.Server):
    """An exchange on its own port; port 0 takes any that is free."""

    def __init__(
        self,
        app: ASGIApp,
        host: str = "127.0.0.1",
        port: int = 8010,
        *,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Take the port; `ready` is told the address once requests are answered.

        Raises:
            ConfigError: The port is in use, or the host is not this machine's.
        """
        config = uvicorn.Config(
            app,
            http=Wire,
            log_level="warning",
            access_log=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        super().__init__(config)
        self._listener = _bind(host, port)
        self._ready = ready
        self.url = f"http://{host}:{self._listener.getsockname()[1]}"

    async def listen(self) -> None:
        """Serve until stopped by a signal or by `stop`."""
        try:
            await self.serve(sockets=[self._listener])
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Finish what is being answered, then end `listen`."""
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets=sockets)
        if self._ready is not None:
            self._ready(self.url)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, with success: being told to stop is no failure."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        for number in _SIGNALS:
            loop.add_signal_handler(number, self.stop)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)


def _bind(host: str, port: int) -> socket.socket:
    # With its protocol named, asyncio sends small answers at once: else each waits 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        raise ConfigError(
            f"port {port} of {host} cannot be taken: {error.strerror}",
            "stop what listens there, or choose another with --port (0 takes any)",
        ) from error
    listener.settimeout(0)
    return listener


def serve(
    app: ASGIApp,
    host: str = "127.0.0.1",
    port: int = 8010,
    *,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve the exchange until SIGINT or SIGTERM; the process is its own from here on."""
    # What is loaded stays for good: to look through it for garbage takes time from answers.
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(ExchangeServer(app, host, port, ready=ready).listen())
