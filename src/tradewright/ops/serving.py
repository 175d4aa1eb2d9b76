"""A web server that owns its port before it says that it listens, and stops when it is told to.

The port is taken when the server is made, so a port in use is an error of the start and nothing is
opened for it. A signal to stop is no failure: the process ends with success.
"""

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

from tradewright.core.errors import ConfigError

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 1024
_YOUNG: Final = 50_000


class PortServer(uvicorn.Server):
    """An application on its own port; port 0 takes any that is free."""

    def __init__(
        self,
        config: uvicorn.Config,
        host: str,
        port: int,
        *,
        ready: Callable[[str], None] | None = None,
    ) -> None:
        """Take the port; `ready` is told the address once requests are answered.

        Raises:
            ConfigError: The port is in use, or the host is not this machine's.
        """
        super().__init__(config)
        self._listener = bind(host, port)
        self._ready = ready
        self._hears_signals = False
        scheme = "https" if config.is_ssl else "http"
        shown = f"[{host}]" if ":" in host else host
        self.url = f"{scheme}://{shown}:{self._listener.getsockname()[1]}"

    async def listen(self) -> None:
        """Serve until stopped by a signal or by `stop`."""
        try:
            await self.serve(sockets=[self._listener])
        finally:
            self._listener.close()

    def stop(self) -> None:
        """Finish what is being answered, then end `listen`."""
        self.should_exit = True

    def signalled(self) -> None:
        """Stop because a signal says so."""
        self.stop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to answer, then say so."""
        await super().startup(sockets=sockets)
        if self._ready is not None:
            self._ready(self.url)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Stop on SIGINT and SIGTERM, with success: being told to stop is no failure."""
        in_main = threading.current_thread() is threading.main_thread()
        if self._hears_signals or not in_main:
            yield
            return
        loop = asyncio.get_running_loop()
        self._hears_signals = True
        # One that is ignored stays so: who started us passes Ctrl-C on in its own way.
        heard = [n for n in _SIGNALS if signal.getsignal(n) is not signal.SIG_IGN]
        for number in heard:
            loop.add_signal_handler(number, self.signalled)
        try:
            yield
        finally:
            self._hears_signals = False
            for number in heard:
                loop.remove_signal_handler(number)


def bind(host: str, port: int) -> socket.socket:
    """Take a port of this machine and let connections queue there.

    Raises:
        ConfigError: It is in use, or the host is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # With its protocol named, asyncio sends small answers at once: else each waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
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


def run(server: PortServer, *, young: int = _YOUNG) -> None:
    """Serve until SIGINT or SIGTERM; the process is the server's own from here on.

    Garbage is looked for once `young` objects more have been made than have gone.
    """
    # What is loaded stays for good: to look through it for garbage takes time from answers.
    gc.collect()
    gc.freeze()
    gc.set_threshold(young)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(server.listen())
